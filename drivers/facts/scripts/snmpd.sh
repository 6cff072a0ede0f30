# communities and keys do not leave the host; what is well known is said to be so
b='[[:space:]]'
w='[^[:space:]]'
s() {
    sed -e "s/^\($b*r[ow]community6*$b*\)\(public\|private\)\($b\|\$\)/\1(well-known)\3/" \
        -e "s/^\($b*r[ow]community6*$b*\)[^([:space:]]$w*/\1(community)/" \
        -e "s/^\($b*com2sec6*$b.*$b\)\(public\|private\)$b*\$/\1(well-known)/" \
        -e "s/^\($b*com2sec6*$b.*$b\)[^([:space:]]$w*$b*\$/\1(community)/" \
        -e "s/^\($b*createUser$b*\(-e$b*$w*$b*\)*$w*\).*/\1 (keys)/" \
        -e "s/^\($b*usmUser$b*[0-9]*$b*[0-9]*$b*$w*$b*$w*\).*/\1 (keys)/" \
        -e "s/^\($b*\(trap\|inform\)*\(community\|sink\|2sink\|sess\|defaultcommunity\)$b\).*/\1(secret)/"
}
none=1
for p in /etc/snmp/snmpd.conf /etc/snmp/snmpd.conf.d/*.conf /etc/snmp/snmpd.local.conf /etc/snmpd.conf \
    /usr/share/snmp/snmpd.conf /var/lib/snmp/snmpd.conf; do
    if [ -f "$p" ]; then
        none=0
        m "$p"
        head -c 65536 "$p" | s
        echo
    fi
done
exit $none
