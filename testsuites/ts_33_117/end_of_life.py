"""When makers end their support, as far as the harness knows: distributions, and some libraries."""

DATED = "2025-11-01"
"""The day of this table."""

RELEASES = {  # os-release ID:VERSION_ID (major) -> last day, long-term support included
    "debian:8": "2020-06-30",
    "debian:9": "2022-06-30",
    "debian:10": "2024-06-30",
    "debian:11": "2026-08-31",
    "debian:12": "2028-06-30",
    "debian:13": "2030-06-30",
    "ubuntu:16": "2021-04-30",
    "ubuntu:18": "2023-05-31",
    "ubuntu:20": "2025-05-31",
    "ubuntu:22": "2027-04-30",
    "ubuntu:24": "2029-05-31",
    "rhel:7": "2024-06-30",
    "rhel:8": "2029-05-31",
    "rhel:9": "2032-05-31",
    "centos:7": "2024-06-30",
    "centos:8": "2021-12-31",
}

PACKAGES = {  # package names that are a branch of their own -> last day of their makers
    r"libssl0\.9\.8|libssl1\.0\.[02](-dev)?": "2019-12-31",
    r"python2(\.\d)?(-minimal)?|libpython2\.7.*": "2020-01-01",
    r"php5.*": "2018-12-31",
    r"php7\.[0-4].*": "2022-11-28",
    r"openjdk-7-.*": "2020-07-31",
}
