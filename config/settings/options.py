"""The table of all settings, each with its name, its default as text, and its meaning. docs/configuration.md has
the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracking.privacy import RETENTION_RULES, RETENTION_WORDS


@dataclass(frozen=True, slots=True)
class Option:
    """One environment variable: its default as text, and its meaning as in docs/configuration.md."""

    name: str
    default: str
    meaning: str


OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("WAYPOST_HOME", ".waypost", "directory for keys, spool, mirror and the embedded servers' data"),
        Option("DATABASE_URL", "", "PostgreSQL 15 or newer; empty starts the embedded PostgreSQL"),
        Option(
            "ADMIN_DATABASE_URL",
            "",
            "the same database for the admin API, by a login that owns no table; empty uses DATABASE_URL",
        ),
        Option("REDIS_URL", "", "Redis 6.2 or newer, or Valkey; empty starts the embedded Valkey"),
        Option("EMBEDDED_POSTGRES_PORT", "54320", "port of the embedded PostgreSQL on 127.0.0.1"),
        Option("EMBEDDED_VALKEY_PORT", "63790", "port of the embedded Valkey on 127.0.0.1"),
        Option("EMBEDDED_USER", "", "user that runs the embedded PostgreSQL when started as root; empty picks one"),
        Option("EDGE_HOST", "127.0.0.1", "address the edge listens on"),
        Option("EDGE_PORT", "8080", "port the edge listens on"),
        Option("EDGE_WORKERS", "2", "edge worker processes"),
        Option("EDGE_SERVER", "auto", "WSGI server of the edge: auto, meinheld, granian or gthread"),
        Option(
            "INTAKE_PORT", "8083", "port of the postback intake, on EDGE_HOST; 0 leaves postbacks to the edge alone"
        ),
        Option("INTAKE_WORKERS", "1", "postback intake processes"),
        Option(
            "DUPLICATE_WINDOW_S",
            "10",
            "seconds in which another click of a visitor on a link is a duplicate; 0 knows no duplicates",
        ),
        Option(
            "CLICKS_PER_ADDRESS_PER_MINUTE",
            "60",
            "clicks of an address that count in a minute; the others are of class rate; 0 lets all count",
        ),
        Option(
            "UNIQUE_WINDOW_HOURS",
            "24",
            "hours without a click on the link after which a visitor's click is unique again; 0 makes all unique",
        ),
        Option(
            "EDGE_NODE_ID", "", "0..4095, different on every edge host; empty draws one and keeps it in WAYPOST_HOME"
        ),
        Option("TRUSTED_PROXIES", "0", "how many proxies in front of the edge append to X-Forwarded-For"),
        Option(
            "GEOIP_DIR",
            "",
            "directory of MaxMind-format files (City, ISP or ASN, Connection-Type, Anonymous-IP); empty means"
            " WAYPOST_HOME/geoip",
        ),
        Option("GEOIP_COUNTRY_DB", "", "MaxMind-format file that tells the country; empty takes it from GEOIP_DIR"),
        Option(
            "EXCHANGE_RATES_FILE",
            "",
            "the European Central Bank's eurofxref-hist (.zip or .csv); empty loads the one that came with Waypost",
        ),
        Option(
            "CLICK_ID_KEYS",
            "",
            "comma-separated hex keys of at least 16 bytes, first one mints; empty keeps one in WAYPOST_HOME",
        ),
        Option(
            "SECRETS_KEYS",
            "",
            "comma-separated keys of 64 hex digits that encrypt stored secrets, first one encrypts; empty keeps one in"
            " WAYPOST_HOME",
        ),
        Option("SPOOL_DIR", "", "directory of the spool; empty means WAYPOST_HOME/spool"),
        Option("SPOOL_SEGMENT_BYTES", "16777216", "size at which a spool segment is closed and the next one begun"),
        Option(
            "SPOOL_MAX_BYTES", "10737418240", "most bytes of spool kept on disk; beyond it clicks are counted as lost"
        ),
        Option(
            "SPOOL_FSYNC_MS", "100", "longest time a click waits for fdatasync; postbacks are synced before the answer"
        ),
        Option("MIRROR_DIR", "", "directory of the local configuration mirror; empty means WAYPOST_HOME/mirror"),
        Option(
            "MIRROR_MAX_BYTES",
            "8589934592",
            "most bytes the configuration mirror may grow to (address space, not memory)",
        ),
        Option("POSTBACK_BODY_BYTES", "65536", "largest postback body accepted, up to 131072"),
        Option(
            "POSTBACK_RATE_PER_MINUTE",
            "60000",
            "most postbacks a minute that one process takes from one account, or from one address without an account",
        ),
        Option("AGENT_BATCH_RECORDS", "5000", "most clicks in one job, up to 5000; of postbacks at most 1000"),
        Option("AGENT_BATCH_WAIT_MS", "400", "longest time the agent waits to fill a job"),
        Option(
            "AGENT_OUTSTANDING_BATCHES",
            "16",
            "most jobs with clicks, and most with postbacks, in Redis at once; the rest waits in the spool",
        ),
        Option("AGENT_RETRY_S", "30", "after how many seconds without confirmation a job is looked after"),
        Option("ADMIN_HOST", "127.0.0.1", "address the admin API listens on"),
        Option("ADMIN_PORT", "8081", "port the admin API listens on"),
        Option("STREAM_PORT", "8084", "port of the live stream, on ADMIN_HOST; 0 leaves it out"),
        Option("ADMIN_THREADS", "8", "threads of the admin API"),
        Option("ADMIN_REQUESTS_PER_MINUTE", "30000", "requests a minute of one user or API token; 0 is no limit"),
        Option("ADMIN_TRUSTED_PROXIES", "0", "how many proxies in front of the admin API append to X-Forwarded-For"),
        Option("SESSION_IDLE_HOURS", "12", "hours without a request after which a user is logged out"),
        Option("SESSION_DAYS", "14", "days after which a user has to log in again in any case"),
        Option(
            "SMTP_URL",
            "",
            "mail server of scheduled reports: smtps://user:password@host:465, smtp://host:587 (STARTTLS) or"
            " smtp+plain://host:25; empty takes SMTP_HOST",
        ),
        Option("SMTP_HOST", "", "mail server, instead of SMTP_URL; both empty send no mail"),
        Option("SMTP_PORT", "", "its port; empty means 587 for starttls, 465 for tls and 25 for none"),
        Option("SMTP_USER", "", "user of a login at the mail server; empty logs in nowhere"),
        Option("SMTP_PASSWORD", "", "password of that login"),
        Option("SMTP_SECURITY", "starttls", "starttls, tls or none; the first two check the server's certificate"),
        Option("MAIL_FROM", "", "address that mail comes from, such as Waypost <reports@example.com>"),
        Option("PUBLIC_SCHEME", "https", "scheme of the tracking URLs shown to the operator"),
        Option("PUBLIC_NAME", "", "host name that tracking domains may be a CNAME of, such as edge.example.com"),
        Option(
            "PUBLIC_ADDRESSES", "", "addresses that tracking domains may point to, such as 203.0.113.7, 2001:db8::7"
        ),
        Option(
            "OUTGOING_ALLOWED_NETWORKS", "", "private networks that outgoing postbacks may go to, such as 10.0.0.0/8"
        ),
        Option("OUTGOING_CONNECT_TIMEOUT_S", "5", "longest time to connect to a partner, TLS included"),
        Option("OUTGOING_TIMEOUT_S", "15", "longest time of one request to a partner, from connecting to the answer"),
        Option("DELIVERY_CONCURRENCY", "64", "most requests to partners at once, of one deliveries process"),
        Option("DELIVERY_PARTNER_CONCURRENCY", "8", "most requests at once to one partner, of one deliveries process"),
        *(
            Option(
                f"RETENTION_{kind.upper()}_DAYS",
                str(rule.days),
                f"days for which {RETENTION_WORDS[kind]} are kept; 0 means for ever",
            )
            for kind, rule in RETENTION_RULES.items()
        ),
        Option("REPORT_TIME_ZONE", "UTC", "time zone of the days of reports, such as Europe/Vienna"),
        Option("REPORT_CURRENCY", "USD", "currency that reports show money in when none is asked for"),
        Option("COST_CURRENCY", "", "currency of the costs that clicks state; empty means REPORT_CURRENCY"),
        Option("REPORT_HOURS_DAYS", "31", "days for which roll-ups by the hour are kept, 1 to 3660"),
        Option(
            "REPORT_VALUES_MAX",
            "20000",
            "most values that a day's roll-up by something visitors choose may have, 100 to 10000000",
        ),
        Option("REPORT_TIMEOUT_S", "20", "longest time of one question to reports, 1 to 3600"),
        Option(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "",
            "where traces of the admin and the workers go, such as http://127.0.0.1:4318; empty makes none",
        ),
        Option("LOG_LEVEL", "info", "debug, info, warning or error"),
    )
}
