"""AWS's query protocol, which IAM, STS and SNS speak: parameters as a form, answers as XML.

What an operation takes and gives comes from botocore's models; `protocol` joins the parts.
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""
