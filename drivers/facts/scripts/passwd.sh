# a password hash that stands in passwd(5) itself does not leave the host
p() { sed 's/^\([^:]*\):[^:][^:][^:]*:/\1:(hash):/'; }
