"""Exits with 0 while the server at OBJSTORE_ENDPOINT answers that it lives.

Its certificate is not looked at: the address is this container's own, and the certificate is for the names outside.
"""

import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

address = urlsplit(os.environ["OBJSTORE_ENDPOINT"])
if address.scheme == "https":
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection: http.client.HTTPConnection = http.client.HTTPSConnection(address.netloc, timeout=4, context=context)
else:
    connection = http.client.HTTPConnection(address.netloc, timeout=4)
connection.request("GET", "/-/health/live")
sys.exit(0 if connection.getresponse().status == 200 else 1)
