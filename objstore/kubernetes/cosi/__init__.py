"""The COSI driver: buckets and accesses for Kubernetes' Container Object Storage Interface, over a Unix socket.

https://github.com/kubernetes-sigs/container-object-storage-interface/blob/main/proto/spec.md
"""
