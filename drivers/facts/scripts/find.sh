# files that are SUID or SGID, writable by everybody, or owned by nobody, on every local file system
IFS='
'
set -f
set -- $(while IFS=' ' read -r device path type rest; do
    case $type in
    proc|sysfs|devpts|cgroup*|securityfs|debugfs|tracefs|configfs|fusectl|mqueue|hugetlbfs|pstore|bpf|autofs) ;;
    binfmt_misc|nsfs|rpc_pipefs|efivarfs|selinuxfs|nfs*|cifs|smb3|ceph|9p|fuse.*|iso9660|squashfs) ;;
    *) printf '%b\n' "$path" ;;
    esac
done </proc/self/mounts | sort -u)
unset IFS
set +f
[ $# -gt 0 ] || exit 2
find / -maxdepth 0 ! -nouser -printf '' || exit 2
{
    find "$@" -xdev \
        \( -nouser -o -nogroup \) -printf 'unowned\t%m\t%y\t%u\t%g\t%s\t%p\0' , \
        \( -type f -perm /6000 \) -printf 'special\t%m\t%y\t%u\t%g\t%s\t%p\0' , \
        \( -type f -perm -0002 -o -type d -perm -0002 ! -perm -1000 \) -printf 'writable\t%m\t%y\t%u\t%g\t%s\t%p\0'
    printf 'status\t%s\0' $?
} | tr '\n\0' '\001\n'
