"""Names as a hostile or a careless DNS answers them: each has an address that outgoing requests may not go to."""

NAMES: dict[str, list[str]] = {
    "loopback.example": ["127.0.0.1"],
    "private.example": ["10.0.0.7"],
    "metadata.google.internal": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.7"],
    "nat64.example": ["64:ff9b::a00:7"],
    "six-to-four.example": ["2002:a00:7::1"],
    "teredo.example": ["2001:0:a00:7::1"],
    "unique-local.example": ["fd12:3456::1"],
    "link-local.example": ["fe80::1%eth0"],
    "unspecified.example": ["0.0.0.0"],
    "carrier.example": ["100.64.0.9"],
    "mixed-last.example": ["93.184.216.34", "127.0.0.1"],
    "mixed-first.example": ["192.168.1.1", "93.184.216.34"],
    "mixed-families.example": ["93.184.216.34", "::1"],
    "many.example": [*(f"93.184.216.{number}" for number in range(1, 40)), "10.0.0.7"],
}
