"""The operations of AWS's IAM: one module for each family. Importing `operations` registers them all.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html
"""
