"""Explanations: why a principal may do a thing or may not, who may, and what a log of requests would be under other
policies. The gate's own decisions, watched while they are made.
"""
