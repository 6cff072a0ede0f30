while IFS=: read -r name password uid gid gecos home shell; do
    for p in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2" "/etc/ssh/authorized_keys/$name" \
        "$home/.shosts" "$home/.rhosts"; do
        if [ -f "$p" ]; then
            m "$name $p"
            head -c 65536 "$p"
            echo
        fi
    done
done </etc/passwd
