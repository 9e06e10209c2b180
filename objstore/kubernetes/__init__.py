"""Buckets for Kubernetes: an operator for stores, users and claims, and a COSI driver.

Everything here speaks to an API server and to running stores over the network, and to nothing of this process's own.
"""
