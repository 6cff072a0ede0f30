printf '%s\n' "$PATH" | tr : '\n' | sort -u | while read -r d; do
    while [ -n "$d" ]; do
        s "$d"
        [ "$d" = / ] && break
        d=${d%/*}
        d=${d:-/}
    done
done | sort -u
