m shell; umask
m files
grep -Hn -E '^[[:space:]]*(umask|UMASK)' /etc/profile /etc/bash.bashrc /etc/profile.d/* /etc/login.defs \
    /etc/default/* /root/.profile /root/.bashrc 2>/dev/null
:
