"""AWS's notification service: topics that buckets and clients publish to, and the addresses that subscribe to them."""
