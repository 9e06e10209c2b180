"""The operations of AWS's STS: temporary credentials. Importing `operations` registers them all.

https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""
