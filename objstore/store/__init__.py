"""What an object is: buckets, versions, delete markers, uploads, copies.

Transaction functions (`buckets`, `versions`, `uploads`, `extents`, `listing`, `usage`, `repair`) hold the meaning;
class `Store` joins them with the catalog, which makes them atomic, and the blobs, which hold the bytes.
"""
