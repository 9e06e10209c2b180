"""Websites: a bucket served to browsers on a host name of its own, with index and error pages and redirects.

`documents` says what a website's configuration is, `operations` keeps it, `rules` makes redirects of it, `hosts` finds
the bucket of a host name, and `site` answers browsers, with the pages of `pages` where nothing else is to be shown.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
"""
