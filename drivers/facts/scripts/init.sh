f /etc/inittab /etc/inetd.conf /etc/xinetd.d/* /etc/rc.local
m init.d
ls /etc/init.d 2>/dev/null
m rc
ls /etc/rcS.d /etc/rc[235].d 2>/dev/null
:
