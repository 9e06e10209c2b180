"""AWS's own description of a service, as botocore ships it: which operations there are, and every member of each.

Loading takes about 0.1 s, so a model is loaded once, before processes are forked. Nothing here changes what the model
says; where it does not say what S3 really sends, the patch is in `quirks.py`, and what is not AWS's in `additions.py`.
https://botocore.amazonaws.com/v1/documentation/api/latest/reference/loaders.html
"""

from functools import cache
from typing import Final

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from objstore.aws.additions import added

_loader: Final = Loader()  # one for all, for each looks through the folders of some four hundred services


@cache
def service(name: str = "s3") -> ServiceModel:
    """Return the model of the AWS service `name`: "s3", "iam", "sts"..."""
    return ServiceModel(added(name, _loader.load_service_model(name, "service-2")), name)


@cache
def operation_model(name: str, service_name: str = "s3") -> OperationModel:
    """Return the model of one operation. Raises botocore's OperationNotFoundError for a name the service has not."""
    return service(service_name).operation_model(name)
