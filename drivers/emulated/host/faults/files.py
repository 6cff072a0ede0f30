"""Faults of the file system: modes, ways to more rights, mounts, removable media."""

from drivers.emulated.host.steps import Fault, append, mode, shell, swap, write

_MODES = "TC_FILESYSTEM_AUTHORIZATION_PRIVILEGES"
_PRIVILEGE = "TC_OS_PRIVILEGE"
_MOUNT = "TC_EXTERNAL_FILE_SYSTEM_MOUNT_RESTRICTIONS"
_MEDIA = "TC_NO_AUTO_LAUNCH_OF_REMOVABLE_MEDIA"
_OPTIONS = "ext4 noauto,user,loop,nosuid,nodev,noexec"

FAULTS = {
    "fs-world-writable": Fault(
        _MODES, "everybody may write a configuration file", (mode("/etc/np/np.conf", 0o666),)
    ),
    "fs-no-sticky": Fault(
        _MODES, "a folder for everybody has no sticky bit", (shell("install -d -m 777 /var/spool/exchange"),)
    ),
    "fs-path-writable": Fault(
        _MODES,
        "a group may write in a folder of root's PATH",
        (
            shell(
                "chgrp np-users /usr/local/sbin; chmod 775 /usr/local/sbin; sed -i 's#^PATH=/usr/sbin#PATH=/usr/local/sbin:/usr/sbin#' /usr/lib/np/boot; chgrp np-users /usr/sbin; chmod 775 /usr/sbin"
            ),
        ),
    ),
    "fs-acl-hole": Fault(
        _MODES,
        "an access list lets a user write a file with a strict mode",
        (shell("setfacl -m u:oper1:rw /etc/np/config.json; chmod 660 /etc/np/config.json"),),
    ),
    "sudo-nopasswd": Fault(
        _PRIVILEGE,
        "operators may run everything as root without a password",
        (append("/etc/sudoers", "%np-operator ALL=(ALL) NOPASSWD: ALL\n"),),
    ),
    "suid-shell": Fault(
        _PRIVILEGE,
        "a copy of a shell runs with root's rights",
        (
            shell(
                "cp /bin/bash /usr/local/bin/rsh; chmod 4755 /usr/local/bin/rsh; cp /usr/bin/find /usr/local/bin/locate; chmod 4755 /usr/local/bin/locate"
            ),
        ),
    ),
    "cap-setuid-python": Fault(
        _PRIVILEGE,
        "an interpreter may change its UID",
        (shell("cp /usr/bin/python3.11 /usr/local/bin/pyt; setcap cap_setuid+ep /usr/local/bin/pyt"),),
    ),
    "suid-writable": Fault(
        _PRIVILEGE,
        "a group may write a file that runs with root's rights",
        (shell("chgrp np-operator /usr/bin/umount; chmod 4775 /usr/bin/umount"),),
    ),
    "docker-group": Fault(
        _PRIVILEGE,
        "operators are in the group docker, whose socket runs commands as root",
        (
            shell("groupadd --system docker; usermod --append --groups docker oper1"),
            write(
                "/usr/lib/np/dockerd.py",
                '#!/usr/bin/python3\nimport os, shutil, socketserver, subprocess\nos.umask(0o117)\nPATH = "/run/docker.sock"\n'
                "class Handler(socketserver.StreamRequestHandler):\n    def handle(self):\n"
                '        self.wfile.write(subprocess.run(["/bin/sh", "-c", self.rfile.readline().decode()], capture_output=True).stdout)\n'
                "if os.path.exists(PATH):\n    os.unlink(PATH)\nserver = socketserver.ThreadingUnixStreamServer(PATH, Handler)\n"
                'shutil.chown(PATH, "root", "docker")\nserver.serve_forever()\n',
                0o755,
            ),
            append("/etc/inittab", "dock:2:respawn:/usr/lib/np/dockerd.py\n"),
        ),
    ),
    "list-b-incomplete": Fault(
        _PRIVILEGE,
        "a file that runs with root's rights is not in the vendor's list",
        (shell("chmod u+s /usr/bin/newgrp"),),
    ),
    "mount-suid": Fault(
        _MOUNT,
        "users may mount the medium with SUID programs",
        (swap("/etc/fstab", _OPTIONS, "ext4 noauto,user,loop,exec,suid,nodev"),),
    ),
    "mount-nodev-missing": Fault(
        _MOUNT,
        "users may mount the medium with device nodes",
        (swap("/etc/fstab", _OPTIONS, "ext4 noauto,user,loop,exec,nosuid,dev"),),
    ),
    "mount-sudo-free-options": Fault(
        _MOUNT,
        "users may mount with options of their own choice",
        (append("/etc/sudoers", "%np-users ALL=(root) NOPASSWD: /usr/bin/mount, /usr/bin/umount\n"),),
    ),
    "mount-helper-suid": Fault(
        _MOUNT,
        "the product's own way to mount sets neither nosuid nor nodev",
        (swap("/usr/lib/np/mount-medium", "loop,nosuid,nodev,noexec", "loop,exec,suid,dev"),),
    ),
    "media-automount": Fault(
        _MEDIA,
        "every storage stick is mounted when it appears",
        (
            write(
                "/etc/udev/rules.d/90-media.rules",
                'ACTION=="add", SUBSYSTEM=="block", ENV{ID_BUS}=="usb", RUN+="/usr/bin/mount /dev/%k /media/usb"\n',
            ),
        ),
    ),
    "media-autorun": Fault(
        _MEDIA,
        "a script on a stick is run",
        (
            write(
                "/etc/udev/rules.d/90-media.rules",
                'ACTION=="add", SUBSYSTEM=="block", ENV{ID_BUS}=="usb", RUN+="/usr/lib/np/media %k"\n',
            ),
            write(
                "/usr/lib/np/media",
                '#!/bin/sh\nmount "/dev/$1" /media/usb && [ -x /media/usb/autorun.sh ] && /media/usb/autorun.sh\n',
                0o755,
            ),
        ),
    ),
    "media-autofs": Fault(
        _MEDIA,
        "looking into /media mounts what is there, with programs",
        (
            write("/etc/auto.master", "/media /etc/auto.media --timeout=10\n"),
            write("/etc/auto.media", "usb -fstype=auto,exec,suid,dev :/dev/sda1\n"),
        ),
    ),
}
