for p in /proc/[0-9]*; do
    [ -r "$p/status" ] || continue
    printf '@%s\t%s\t' "${p#/proc/}" "$(readlink "$p/exe")"
    tr '\0\n' ' ?' <"$p/cmdline" | head -c 2000
    echo
    grep -E '^(Name|PPid|Uid|Gid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "$p/status"
    cat "$p/stat"
done 2>/dev/null
:
