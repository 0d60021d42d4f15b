"""AWS credentials and Signature Version 4, with botocore.

The environment, profiles, web identity (EKS), containers (ECS) and instances, in AWS' own order; a role on top of them.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Keys, key
from pillion.errors import HostError

if TYPE_CHECKING:
    from pillion.collector.network.authorization import Headers
    from pillion.http.message import Request

_SESSION_NAME = "pillion-collector"


class AwsSettings(Keys, frozen=True, kw_only=True):
    """A group of outputs whose requests AWS may want signed (FLB_AWS_CREDENTIAL_BASE_CONFIG_MAP). What the service is
    called is a key of the plugin's own."""

    auth: Annotated[bool, key(name="aws_auth", help="sign requests with AWS Signature Version 4")] = False
    region: Annotated[str, key(name="aws_region")] = ""
    profile: Annotated[str, key(name="aws_profile", help="of the files in ~/.aws")] = ""
    role_arn: Annotated[str, key(name="aws_role_arn", help="a role to take on")] = ""
    external_id: Annotated[str, key(name="aws_external_id")] = ""
    sts_endpoint: Annotated[str, key(name="aws_sts_endpoint")] = ""

    def authorization(self, service: str, origin: str, place: str) -> Sigv4 | None:
        """None when requests are not to be signed. Raises ConfigurationError."""
        if not self.auth:
            return None
        if not self.region:
            raise ConfigurationError(f"{place}: aws_auth: needs aws_region")
        if not service:
            raise ConfigurationError(f"{place}: aws_auth: needs aws_service")
        identity = AwsIdentity(
            service=service,
            region=self.region,
            profile=self.profile,
            role_arn=self.role_arn,
            external_id=self.external_id,
            sts_endpoint=self.sts_endpoint,
        )
        return Sigv4(identity, origin, place)


class AwsIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs, and for what."""

    service: str
    region: str
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    sts_endpoint: str = ""


class Sigv4:
    """An Authorization: AWS' signature over the request. `origin` is scheme, host and port as in its URL."""

    def __init__(self, identity: AwsIdentity, origin: str, place: str) -> None:
        """Raises ConfigurationError when botocore is not installed or the profile does not exist."""
        self._identity = identity
        self._origin = origin
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._session = _open_session(identity, place)

    def headers(self, request: Request) -> Headers:
        """Raises HostError when there are no credentials."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            with self._lock:
                if self._credentials is None:
                    self._credentials = self._find()
                frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise HostError(f"cannot get AWS credentials: {_said(error)}") from error
        digest = hashlib.sha256(request.body).hexdigest()
        signed = AWSRequest(
            method=request.method,
            url=f"{self._origin}{request.path}",
            data=request.body,
            headers={"X-Amz-Content-SHA256": digest},
        )
        SigV4Auth(frozen, self._identity.service, self._identity.region).add_auth(signed)
        return tuple((name, str(value)) for name, value in signed.headers.items())

    def renew(self) -> bool:
        return False  # botocore does it in time

    def interrupt(self) -> None:
        """Credentials come from this machine, or within botocore's own time limits."""

    def _find(self) -> Any:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise HostError(
                "cannot find AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, mount a profile, or give"
                " the Pod's service account a role"
            )
        if not self._identity.role_arn:
            return credentials
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        extra = {"RoleSessionName": _SESSION_NAME}
        if self._identity.external_id:
            extra["ExternalId"] = self._identity.external_id
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=self._create_client,
            source_credentials=credentials,
            role_arn=self._identity.role_arn,
            extra_args=extra,
        )
        return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")

    def _create_client(self, service: str, **keys: Any) -> Any:
        endpoint = self._identity.sts_endpoint
        if endpoint:
            keys["endpoint_url"] = endpoint if "://" in endpoint else f"https://{endpoint}"
        return self._session.create_client(service, region_name=self._identity.region, **keys)


def _open_session(identity: AwsIdentity, place: str) -> Any:
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError as error:
        raise ConfigurationError(
            f"{place}: AWS needs the package botocore: install pillion[cloudwatch]"
        ) from error
    session = botocore.session.Session(profile=identity.profile or None)
    try:
        session.get_scoped_config()
    except botocore.exceptions.BotoCoreError as error:
        raise ConfigurationError(f"{place}: AWS: {_said(error)}") from error
    return session


def _said(error: Exception) -> str:
    text = str(error)
    return text if len(text) < 300 else text[:300] + "…"


def endpoint(service: str, region: str) -> str:
    """The host of a service in a region (flb_aws_endpoint: China has a domain of its own)."""
    return f"{service}.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
