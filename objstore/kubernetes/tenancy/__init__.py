"""What Kubernetes does at a store for those who ask for buckets, over its S3, IAM, STS and admin APIs as any client.

A *tenant* is an account of the store with one IAM user of the same name: the account owns buckets and has the limits,
the user has the rights and the access keys. Everything here may be called again, after a crash or beside another call,
and then finds or repairs what is there. Calls block: whoever runs on an event loop calls them on a thread.

Every function raises StoreUnreachable where there was no answer, or one that trying again may change; and StoreRefused,
with the server's code and words, where it would not.
"""
