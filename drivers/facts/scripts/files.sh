# configuration files, each a section
f() {
    for p in "$@"; do
        if [ -f "$p" ]; then
            m "$p"
            head -c 65536 "$p"
            echo
        fi
    done
}
