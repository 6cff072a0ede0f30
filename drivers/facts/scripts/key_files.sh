s / /etc /etc/passwd /etc/passwd- /etc/group /etc/group- /etc/shadow /etc/shadow- /etc/gshadow /etc/gshadow- \
    /etc/security /etc/security/* /etc/sudoers /etc/sudoers.d /etc/sudoers.d/* /etc/doas.conf /etc/pam.d \
    /etc/pam.d/* /etc/login.defs /etc/profile /etc/profile.d/* /etc/ssh /etc/ssh/* /etc/ssh/sshd_config.d/* \
    /etc/snmp /etc/snmp/* /var/lib/snmp /var/lib/snmp/* /etc/ssl/private /etc/ssl/private/* /etc/crontab \
    /etc/cron.d /etc/cron.d/* /etc/cron.hourly /etc/cron.hourly/* /etc/cron.daily /etc/cron.daily/* \
    /etc/cron.weekly /etc/cron.weekly/* /etc/cron.monthly /etc/cron.monthly/* /var/spool/cron \
    /var/spool/cron/* /var/spool/cron/crontabs/* /etc/systemd /etc/systemd/system /etc/systemd/system/* \
    /etc/init.d /etc/init.d/* /etc/inittab /etc/inetd.conf /etc/rsyslog.conf /etc/rsyslog.d /etc/rsyslog.d/* \
    /etc/logrotate.conf /etc/logrotate.d /etc/logrotate.d/* /etc/sysctl.conf /etc/sysctl.d /etc/sysctl.d/* \
    /etc/nftables.conf /etc/fstab /etc/apt /etc/apt/*.conf /etc/apt/apt.conf.d /etc/apt/trusted.gpg.d \
    /etc/apt/trusted.gpg.d/* /etc/apt/keyrings /etc/apt/keyrings/* /usr/share/keyrings /usr/share/keyrings/* \
    /etc/dpkg /etc/udev/rules.d /etc/nginx /etc/nginx/* /boot /boot/* /boot/grub/grub.cfg /root /root/.ssh \
    /root/.ssh/* /home /home/* /home/*/.ssh /home/*/.ssh/* /var /var/log /var/spool /tmp /var/tmp /dev \
    /dev/mem /dev/kmem /dev/sd* /dev/vd* /dev/nvme*n* /bin /sbin /lib /usr /usr/bin /usr/sbin /usr/lib /opt \
    /usr/local /usr/local/bin /usr/local/sbin
