"""The S3 operations: one module for each family, one function for each operation, one small module for each grammar.

Importing `objstore.s3.operations` registers all of them.
"""
