# An idle shell ends; the value cannot be changed by its user.
TMOUT=300
readonly TMOUT
export TMOUT
umask 077
