m release; uname -r
m machine; uname -m
m version; uname -v
m cmdline; cat /proc/cmdline
m modules; cut -d' ' -f1 /proc/modules 2>/dev/null
m flags; grep -m1 -E '^(flags|Features)' /proc/cpuinfo
m aslr; cat /proc/sys/kernel/randomize_va_space
m core_pattern; cat /proc/sys/kernel/core_pattern
:
