"""What rules may ask about a click. Whoever applies rules gives an object with these members; each is looked up only
when a condition asks for it.
"""

from __future__ import annotations

from typing import Protocol


class Facts(Protocol):
    """The facts of one click. What is not known is the empty text or 0, and fits no value of any condition."""

    @property
    def country(self) -> str:
        """ISO 3166 code of the visitor's country."""

    @property
    def region(self) -> str:
        """The English name of the region."""

    @property
    def city(self) -> str:
        """The English name of the city."""

    @property
    def isp(self) -> str:
        """The provider of the address."""

    @property
    def asn(self) -> int:
        """The number of the autonomous system of the address."""

    @property
    def connection(self) -> str:
        """The kind of connection, such as `Cellular`."""

    @property
    def device(self) -> str:
        """The kind of device (tracking.visitors.DEVICES)."""

    @property
    def os(self) -> str:
        """The family of the operating system."""

    @property
    def browser(self) -> str:
        """The family of the browser."""

    @property
    def language(self) -> str:
        """The preferred language, such as `de`."""

    @property
    def referrer(self) -> str:
        """The host that the visitor came from."""

    @property
    def source(self) -> str:
        """The name of the link's traffic source."""

    @property
    def at_s(self) -> int:
        """The moment of the click, in Unix seconds."""

    @property
    def returning(self) -> bool:
        """Whether the visitor followed this link before."""

    @property
    def bot(self) -> bool:
        """Whether the user agent declares a bot."""

    @property
    def request_class(self) -> str:
        """The class of the request, as far as it is known."""

    def parameter(self, name: str) -> str | None:
        """Return a query parameter, None if the click has none of that name."""

    def sub(self, number: int) -> str | None:
        """Return a sub id (1 to 10), the link's default included."""
