"""Every operation of SNS that there is: importing this module registers them."""

from __future__ import annotations

from objstore.sns import publish, subscriptions, topics  # noqa: F401
