"""What most links do not need: rules, and destinations that are links of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from config.configuration import MirrorReader, profile_key
from edge.clicks.decision import Decision, Redirect, Rejection
from edge.clicks.hops import HOPS_MAX, could_be_ours, hops_before, host_of, with_hop
from edge.http import Outcome, client_address
from edge.routing import Chooser
from tracking.clicks import Expansion, prepare_expansion
from tracking.routing import How, Plan


@dataclass(frozen=True, slots=True)
class SpecialLinks:
    """Decides about the redirects that are not plain."""

    mirror: MirrorReader
    chooser: Chooser
    trusted_proxies: int

    def decide(self, redirect: Redirect, env: dict[str, Any]) -> Decision:
        """Return where a click goes. It takes its place in the caps of the link's rules."""
        if redirect.plan is not None:
            redirect = self._chosen(redirect, redirect.plan, env)
        expansion = redirect.expansion
        begin = expansion.pieces[0]
        if could_be_ours(begin) and self._is_ours(begin, redirect.host):
            hops = hops_before(env.get("QUERY_STRING", ""))
            if hops >= HOPS_MAX:
                return Rejection(Outcome.LOOP)
            redirect = _changed(redirect, expansion._replace(pieces=with_hop(expansion.pieces, hops + 1)))
        return redirect

    def fallback(self, url: str, env: dict[str, Any]) -> str | None:
        """Return where a rejected click goes: its profile's fallback URL; None at the end of a chain of our links."""
        if not could_be_ours(url) or not self._is_ours(url, ""):
            return url
        hops = hops_before(env.get("QUERY_STRING", ""))
        return None if hops >= HOPS_MAX else with_hop([url], hops + 1)[0]

    def _chosen(self, redirect: Redirect, plan: Plan, env: dict[str, Any]) -> Redirect:
        profile = redirect.profile
        choice = self.chooser.choose(plan, redirect.link, env, client_address(env, self.trusted_proxies))
        expansion = choice.expansion or redirect.expansion
        if choice.how == How.FALLBACK and profile is not None and profile.fallback_url is not None:
            expansion = prepare_expansion([profile.fallback_url], ())
        return _changed(redirect, expansion, choice.routing)

    def _is_ours(self, url: str, own_host: str) -> bool:
        """Whether a URL's host is a tracking domain, or the host that was asked."""
        host = host_of(url)
        return host == own_host or (len(host) < 254 and self.mirror.get(profile_key(host))[0] is not None)


def _changed(redirect: Redirect, expansion: Expansion, routing: list[Any] | None = None) -> Redirect:
    """Return a redirect to elsewhere. PERF: dataclasses.replace takes 2 microseconds."""
    return Redirect(
        redirect.host,
        redirect.slug,
        redirect.link,
        redirect.profile,
        redirect.config_version,
        expansion,
        redirect.routing if routing is None else routing,
        redirect.next_hops,
    )
