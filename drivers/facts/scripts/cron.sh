f /etc/crontab /etc/anacrontab /etc/cron.d/* /var/spool/cron/crontabs/* /var/spool/cron/*
for d in hourly daily weekly monthly; do
    for p in "/etc/cron.$d"/*; do
        if [ -f "$p" ]; then
            m "/etc/cron.$d"
            printf '%s\n' "$p"
        fi
    done
done
:
