"""Which kind of device an agent is, from its words and the families that ua-parser found in it. Pure."""

from __future__ import annotations

import re

# The closed list: what a rule can ask for, and what is stored.
DEVICES = ("phone", "tablet", "desktop", "tv", "console", "bot", "other")
# Ua-parser calls every crawler, monitor and link preview a spider.
_SPIDER = "Spider"
_CONSOLE = re.compile(r"playstation|xbox|nintendo|\bwiiu?\b", re.IGNORECASE)
# `AFT` and letters are the models of Amazon's Fire TV.
_TV = re.compile(
    r"hbbtv|smart-?tv|google ?tv|android ?tv|apple ?tv|\btv\b|webtv|netcast|web0s|crkey|roku|bravia|viera|inettv"
    r"|\bnetrange|; aft[a-z0-9]{1,5}( build|\))|ce-html|tvbox|large screen|tuner; ?lge",
    re.IGNORECASE,
)
_TABLET = re.compile(
    r"ipad|\btablet\b(?! pc)|playbook|kindle|\bsilk/|xoom|nexus (7|9|10)\b|\b(idea|e-)?pad\b|\b(idea)?tab\b"
    r"|gt-p\d|sm-[tx]\d{3}|matepad|mediapad|transformer",
    re.IGNORECASE,
)
_MOBILE = re.compile(
    r"mobi|iphone|ipod|phone|midp|up\.browser|up\.link|wap|symbian|series ?[346]0|blackberry|\bbb10\b|palm|webos/"
    r"|pocket|\bj2me|ucweb|opera mini|docomo|foma|kddi|vodafone|softbank|brew|nokia|\bmot-|samsung|sonyericsson"
    r"|\blge?[-/ ]|\bhtc\b|\bzte\b|\bsie-|\bsec-|netfront|obigo|maui|teleca|maemo|meego|jolla|sailfish|kaios",
    re.IGNORECASE,
)
_TOUCH_SCREENS = frozenset({"iOS", "Android"})
# Old phones do not say that they are any. These are systems of phones alone.
_PHONE_SYSTEMS = frozenset(
    {
        *("Windows Phone", "Windows Mobile", "Symbian OS", "Symbian^3", "Symbian^3 Anna", "Symbian^3 Belle"),
        *("BREW", "Brew MP", "BlackBerry OS", "Bada", "Nokia Series 40", "Nokia Series 30 Plus", "Firefox OS", "KaiOS"),
        *("Maemo", "MeeGo", "webOS"),
    }
)
_DESKTOP_SYSTEMS = frozenset(
    {
        *("Windows", "Mac OS X", "Mac OS", "Chrome OS", "Linux", "Ubuntu", "Fedora", "Debian", "Red Hat", "SUSE"),
        *("Linux Mint", "Kubuntu", "Gentoo", "Mageia", "FreeBSD", "OpenBSD", "NetBSD", "Solaris", "BSD"),
    }
)
_DESKTOP = re.compile(r"\bx11;|windows nt|macintosh", re.IGNORECASE)
# Programs name a system too: `aws-sdk-java/1.11 Linux/4.4`. Browsers begin with one of these.
_BROWSER = re.compile(r"mozilla[/ ]|opera[/ ]|outlook|microsoft office|links |lynx/|w3m/", re.IGNORECASE)
# Ua-parser calls Windows CE, which phones and organizers had, Windows.
_HANDHELD = re.compile(r"windows ce|wince|iemobile|\bppc; |midp|opera mobi|smartphone", re.IGNORECASE)
# Apps that do not say `Mobile`, and are mostly on phones.
_APPS_OF_PHONES = re.compile(r"^dalvik/|telegram-android/", re.IGNORECASE)


def device_of(agent: str, os: str, family: str, brand: str | None) -> str:
    """Return the kind of device. `os`, `family` and `brand` (of the device) are ua-parser's, empty if it found none."""
    if family == _SPIDER:
        return "bot"
    if _CONSOLE.search(agent):
        return "console"
    if _TV.search(agent):
        return "tv"
    if os in _TOUCH_SCREENS:
        return _of_touch_screen(agent, os, family)
    if os in _PHONE_SYSTEMS:
        return "phone"
    if _TABLET.search(family):
        return "tablet"
    if os in _DESKTOP_SYSTEMS or _DESKTOP.search(agent):
        if _HANDHELD.search(agent):
            return "phone"
        return "desktop" if _BROWSER.match(agent) else "other"
    return "phone" if _MOBILE.search(agent) or brand else "other"


def _of_touch_screen(agent: str, os: str, family: str) -> str:
    if _TABLET.search(agent) or _TABLET.search(family):
        return "tablet"
    if os == "iOS" or _MOBILE.search(agent) or _APPS_OF_PHONES.search(agent):
        return "phone"
    # Browsers of Android say `Mobile` on phones, and leave it out on tablets.
    return "tablet" if _BROWSER.match(agent) else "phone"
