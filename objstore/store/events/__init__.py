"""Events: what a bucket tells of what happens in it, entered by the transaction that makes it happen."""
