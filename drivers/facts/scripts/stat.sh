# modes and owners; the first column is that of ls, whose "+" means an ACL
t=$(printf '\t')
s() {
    for p in "$@"; do
        if [ -e "$p" ] || [ -L "$p" ]; then
            l=$(ls -ld "$p")
            printf '%s\t' "${l%% *}"
            stat -c "%a${t}%F${t}%U${t}%G${t}%s${t}%n" "$p"
        fi
    done
}
