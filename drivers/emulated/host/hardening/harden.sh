# Runs once in the new tree, as root in a chroot; /run/build holds NAME.secret for each account with a password.
umask 022

# --- accounts -------------------------------------------------------------------------------------------------
for name in man lp mail news uucp proxy list irc games; do userdel "$name" 2>/dev/null || true; done
for name in np-users np-admin np-operator np-viewer; do groupadd "$name"; done
sed -i 's/^PASS_WARN_AGE.*/PASS_WARN_AGE 7/; s/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 99999/; s/^UMASK.*/UMASK 077/; s/^ENCRYPT_METHOD.*/ENCRYPT_METHOD YESCRYPT/' /etc/login.defs
useradd --system --shell /usr/sbin/nologin --home-dir /nonexistent --no-create-home np
person() { # name, role, further groups
    useradd --create-home --shell /bin/bash --groups "np-users,$2${3:+,$3}" "$1"
}
person admin1 np-admin adm
person admin2 np-admin adm
person oper1 np-operator
person oper2 np-operator
person view1 np-viewer
for name in lock1 lock2 lock3 pass1 pass2; do person "$name" np-viewer; done
for file in /run/build/*.secret; do
    name=$(basename "$file" .secret)
    case $name in
        snmp*|captcha|machine*|forbidden|token) ;;
        *) printf '%s:%s\n' "$name" "$(cat "$file")" | chpasswd --crypt-method YESCRYPT ;;
    esac
done
person first1 np-viewer
person service1 np-viewer
person operators np-operator
for name in service1 operators; do usermod --lock --expiredate 1 "$name"; done
printf 'first1:%s\n' "$(cat /run/build/pass1.secret)" | chpasswd --crypt-method YESCRYPT
chage --lastday 0 first1
chmod 700 /home/*
printf 'machine1:%s\n' "$(openssl passwd -6 "$(cat /run/build/machine1.secret)")" > /etc/np/machines
chown root:www-data /etc/np/machines
chmod 640 /etc/np/machines
cp /run/build/token.secret /etc/np/api.token
chown root:np /etc/np/api.token
chmod 640 /etc/np/api.token

# --- SNMPv3 users, kept as agent-local keys once the agent has read them -------------------------------------
for name in snmpview snmpadmin; do
    printf 'createUser %s SHA-256 "%s" AES "%s"\n' "$name" "$(cat /run/build/$name-auth.secret)" "$(cat /run/build/$name-priv.secret)"
done > /var/lib/snmp/snmpd.conf
chown -R Debian-snmp:Debian-snmp /var/lib/snmp
chmod 600 /var/lib/snmp/snmpd.conf /etc/snmp/snmpd.conf
chown Debian-snmp /etc/snmp/snmpd.conf

# --- only what the product needs -----------------------------------------------------------------------------
rm -rf /var/www /etc/nginx/sites-* /etc/nginx/modules-enabled/* /usr/share/nginx/html /etc/rc?.d/[SK]*
rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/*
chmod u-s /usr/bin/chfn /usr/bin/chsh /usr/bin/newgrp /usr/bin/gpasswd /usr/lib/openssh/ssh-keysign
chmod g-s /usr/bin/expiry /usr/bin/ssh-agent /usr/bin/crontab /usr/bin/chage
install -d -m 755 /srv/www
install -d -m 770 /srv/upload
chmod 440 /etc/sudoers
install -d -m 700 /var/spool/rsyslog

# --- the product's own files ----------------------------------------------------------------------------------
chmod 755 /usr/bin/np /usr/lib/np /usr/lib/np/*
chmod 644 /srv/www/*
chmod 600 /etc/np/config.json /etc/np/subscribers.json /etc/np/roles.conf
chmod 644 /etc/np/roles.conf
tr -dc a-z0-9 < /run/build/captcha.secret > /etc/np/captcha.key
chown root:np /etc/np/captcha.key
chmod 640 /etc/np/captcha.key
chown np:adm /srv/upload
install -d -m 755 /media/usb

# --- the product's programs are a package like any other ------------------------------------------------------
install -m 755 /run/build/gtpud /usr/lib/np/gtpud
install -d /run/build/packages
for version in 1.0 1.1; do
    work=$(mktemp -d)
    install -d -m 755 "$work/np/DEBIAN" "$work/np/usr/bin" "$work/np/usr/lib" "$work/np/srv"
    sed "s/^Version:.*/Version: $version/" /run/build/control > "$work/np/DEBIAN/control"
    cp -a /usr/bin/np "$work/np/usr/bin/"
    cp -a /usr/lib/np "$work/np/usr/lib/"
    cp -a /srv/www "$work/np/srv/"
    dpkg-deb --root-owner-group --build "$work/np" "/run/build/packages/np-app-$version.deb" >/dev/null
    rm -r "$work"
done
dpkg --install /run/build/packages/np-app-1.0.deb >/dev/null
chown root:root /var/mail
chmod 755 /var/mail
chmod 644 /etc/hostname /etc/resolv.conf
rm -f /etc/logrotate.d/rsyslog /etc/rc.local /etc/crontab /etc/cron.d/e2scrub_all /etc/cron.daily/*
rm -rf /var/log/nginx /var/log/apt /var/log/fsck /var/log/runit /usr/share/doc/*/examples
