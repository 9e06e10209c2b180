"""ObjectBucketClaims: a developer applies one, and gets a bucket, a Secret and a ConfigMap.

The kinds are those of `objectbucket.io/v1alpha1`, which Rook made known, and so are the names, labels, finalizers and
keys; what was written for Rook works unchanged.
https://rook.io/docs/rook/latest/Storage-Configuration/Object-Storage-RGW/ceph-object-bucket-claim/
"""
