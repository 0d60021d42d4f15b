"""The kubernetes filter: whose records they are (plugins/filter_kubernetes).

Nobody is asked: no cluster rights are needed, and no Pod waits for an API server. A record under a tag made of
`/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log` is that container's; any other is of the Pod this runs in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import Differs, FilterSettings, key
from pillion.collector.filters.fieldnames import put_last
from pillion.collector.filters.mergelog import MergeLog
from pillion.collector.filters.podfacts import PodFacts, own_pod, pod_in_file
from pillion.collector.filters.podhints import Hints, hints
from pillion.collector.filters.stateless import Stateless
from pillion.collector.parsers import RubyRegex, compile_ruby
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import (
    Body,
    Content,
    Records,
    append_constants,
    as_records,
    decode_body,
    encode_value,
)

if TYPE_CHECKING:
    from pillion.collector.parsers import Parser

_TAG = (
    r"(?<pod_name>[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*)"
    r"_(?<namespace_name>[^_]+)_(?<container_name>.+)-(?<docker_id>[a-z0-9]{64})\.log$"
)
"""Of container log files: Kubernetes' pkg/kubelet/kuberuntime names them (`legacyLogSymlink`)."""
_NO_API = "the API server is never asked"
_FRESH_FOR = 10 * 1_000_000_000
"""How long facts are used before they are read again, in ns: labels and annotations may change."""
_MOST_TAGS = 10_000


class KubernetesSettings(FilterSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            (
                "kube_url", "kube_ca_file", "kube_ca_path", "kube_token_file", "kube_token_command", "kube_token_ttl",
                "buffer_size", "tls.debug", "tls.verify", "tls.vhost", "tls.verify_hostname", "dns_retries",
                "dns_wait_time", "use_kubelet", "kubelet_host", "kubelet_port", "kube_meta_cache_ttl",
                "kube_meta_namespace_cache_ttl", "kube_meta_io_timeout", "kube_meta_negative_cache_ttl",
                "cache_use_docker_id",
            ),
            _NO_API,
        ),
        **dict.fromkeys(
            ("namespace_labels", "namespace_annotations", "namespace_metadata_only", "namespace_exclude"),
            "a namespace's labels and annotations are known to the API server only",
        ),
        **dict.fromkeys(
            (
                "use_pod_association", "aws_use_pod_association", "aws_pod_association_host",
                "aws_pod_association_endpoint", "aws_pod_association_port", "aws_pod_service_map_ttl",
                "aws_pod_service_map_refresh_interval", "aws_pod_service_preload_cache_dir",
                "aws_pod_association_host_server_ca_file", "aws_pod_association_host_client_cert_file",
                "aws_pod_association_host_client_key_file", "aws_pod_association_host_tls_debug",
                "aws_pod_association_host_tls_verify", "set_platform",
            ),
            "it asks an agent of AWS",
        ),
        "use_journal": "there is no systemd input",
        "use_tag_for_meta": "the tag is always used",
    }  # fmt: skip
    behaves: ClassVar[Mapping[str, tuple[str, Differs]]] = {
        "where facts come from": (
            "the tag, POD_NAME and others in the environment, podinfo_dir, kube_meta_preload_cache_dir",
            Differs(fluent_bit="the tag and the API server", why="a sidecar has no rights in the cluster"),
        ),
        "a tag that names no container": (
            "its records are of the Pod this runs in",
            Differs(fluent_bit="they are left as they are", why="a sidecar reads the files of its own Pod"),
        ),
    }

    merge_log: Annotated[bool, key(help="the JSON object in `log` becomes fields")] = False
    merge_parser: Annotated[str, key(help="the parser of `log`, if it is not JSON")] = ""
    merge_log_key: Annotated[str, key(help="the field that those go into")] = ""
    merge_log_trim: Annotated[bool, key(help="take line ends off their ends")] = True
    keep_log: Annotated[bool, key(help="keep `log` when it was merged")] = True
    kube_tag_prefix: Annotated[str, key(help="what a tag begins with, before the name of the file")] = (
        "kube.var.log.containers."
    )
    regex_parser: Annotated[
        str,
        key(help="a parser whose pod_name, namespace_name, container_name, docker_id are read from the tag"),
    ] = ""
    labels: Annotated[bool, key(help="the Pod's labels")] = True
    annotations: Annotated[bool, key(help="the Pod's annotations")] = True
    owner_references: Annotated[bool, key(help="the Pod's owners (from a file of a Pod)")] = False
    logging_parser: Annotated[
        bool, key(name="k8s-logging.parser", help="Pods choose the parser of `log` (with merge_log)")
    ] = False
    logging_exclude: Annotated[bool, key(name="k8s-logging.exclude", help="Pods leave themselves out")] = (
        False
    )
    dummy_meta: Annotated[bool, key(help="a fixed map in place of facts, to try a configuration with")] = (
        False
    )
    kube_meta_preload_cache_dir: Annotated[
        str, key(help="a folder of Pods in JSON as the API server has them, NAMESPACE_NAME.meta")
    ] = ""
    podinfo_dir: Annotated[
        str, key(help="a downward API volume with name, namespace, uid, labels and annotations")
    ] = "/etc/podinfo"
    kube_namespace_file: Annotated[str, key(help="the file that names this Pod's namespace")] = (
        "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
    )


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What a tag says. All empty: nothing."""

    pod: str = ""
    namespace: str = ""
    container: str = ""
    docker_id: str = ""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a tag's records."""

    fields: Body
    """What `kubernetes` holds."""
    hints: Hints
    read_at: int


class Kubernetes(Stateless):
    def __init__(
        self,
        settings: KubernetesSettings,
        *,
        read_tag: Callable[[str], Named],
        facts: Callable[[Named], PodFacts],
        merge: MergeLog | None,
        parser: Callable[[str], Parser],
        context: FilterContext,
    ) -> None:
        self._settings = settings
        self._read_tag = read_tag
        self._facts = facts
        self._merge = merge
        self._parser = parser
        self._context = context
        self._subjects: dict[str, Subject] = {}

    def filter(self, tag: str, content: Content, now: int) -> Filtered:
        subject = self._subject(tag, now)
        if not subject.fields:
            self._context.notices.raise_(
                f"{self._context.name}: Pod",
                f"{self._settings.place}: nothing is known of the Pod of {tag}: its name is neither in the tag nor in "
                "POD_NAME and POD_NAMESPACE (set them from the downward API)",
            )
        if self._merge is None and not subject.hints.excluded and not isinstance(content, Records):
            fields: Body = {"kubernetes": subject.fields} if subject.fields else {}
            return Filtered(content=append_constants(content, fields))
        return Filtered(content=self._each(as_records(content), subject, now))

    def _each(self, records: Records, subject: Subject, now: int) -> Content | None:
        times: list[int] = []
        bodies: list[Body] = []
        # A filter that comes later may change a record's map: each has one of its own.
        text = encode_value(subject.fields)
        for time, body in zip(records.times, records.bodies, strict=True):
            stream = body.get("stream")
            stream = stream if isinstance(stream, str) else None
            if subject.hints.excludes(stream):
                continue
            if self._merge is not None:
                time = self._merge.merge(body, time, now, self._suggested(subject.hints.parser(stream)))  # noqa: PLW2901
            if subject.fields:
                put_last(body, "kubernetes", decode_body(text))
            times.append(time)
            bodies.append(body)
        if len(bodies) < len(records.bodies):
            self._context.dropped(len(records.bodies) - len(bodies))
        return Records(times=times, bodies=bodies) if bodies else None

    def _suggested(self, name: str | None) -> Parser | None:
        """A Pod may name a parser that there is not."""
        if name is None:
            return None
        try:
            return self._parser(name)
        except ConfigurationError:
            self._context.notices.raise_(
                f"{self._context.name}: parser {name}",
                f"a Pod's annotation asks for the parser {name}: there is none",
            )
            return None

    def _subject(self, tag: str, now: int) -> Subject:
        subject = self._subjects.get(tag)
        if subject is None or not 0 <= now - subject.read_at < _FRESH_FOR:
            if len(self._subjects) >= _MOST_TAGS:
                self._subjects.clear()
            subject = self._subjects[tag] = self._look_up(tag, now)
        return subject

    def _look_up(self, tag: str, now: int) -> Subject:
        settings = self._settings
        if settings.dummy_meta:
            return Subject(fields={"dummy": "pillion"}, hints=Hints(), read_at=now)
        named = self._read_tag(tag)
        pod = self._facts(named)
        asked = hints(
            pod.annotations or {},
            named.container,
            parser=settings.logging_parser,
            exclude=settings.logging_exclude,
            warn=lambda sentence: self._context.notices.raise_(f"{self._context.name}: {sentence}", sentence),
        )
        return Subject(fields=kubernetes_fields(named, pod, settings), hints=asked, read_at=now)


def kubernetes_fields(named: Named, pod: PodFacts, settings: KubernetesSettings) -> Body:
    """In Fluent Bit's order (kube_meta.c, `merge_pod_meta`); what is not known is left out."""
    container = pod.containers.get(named.container)
    fields: dict[str, Any] = {
        "pod_name": named.pod or pod.name,
        "namespace_name": named.namespace or pod.namespace,
        "pod_id": pod.uid,
        "labels": pod.labels if settings.labels else None,
        "annotations": pod.annotations if settings.annotations else None,
        "ownerReferences": pod.owner_references if settings.owner_references else None,
        "host": pod.node,
        "pod_ip": pod.ip,
        "container_name": named.container,
        "docker_id": named.docker_id or (container.docker_id if container else ""),
        "container_hash": container.container_hash if container else "",
        "container_image": container.container_image if container else "",
    }
    if not fields["pod_name"]:
        return {}
    return {name: value for name, value in fields.items() if value not in ("", None)}


class TagReader:
    def __init__(self, prefix: str, regex: RubyRegex) -> None:
        self._prefix = prefix
        self._regex = regex

    def __call__(self, tag: str) -> Named:
        """What comes after as many characters as the prefix has is looked through (`parse_regex_tag_data`)."""
        found = self._regex.search(tag[len(self._prefix) :])
        if found is None:
            return Named()
        said = {name: next((found[number] for number in numbers if found[number]), "")
                for name, numbers in self._regex.names}  # fmt: skip
        return Named(
            pod=said.get("pod_name", ""),
            namespace=said.get("namespace_name", ""),
            container=said.get("container_name", ""),
            docker_id=said.get("docker_id", ""),
        )


class FactFinder:
    """Facts of the Pod that a tag names, or of this one."""

    def __init__(self, own: Callable[[], PodFacts], preloaded: Path | None) -> None:
        self._own = own
        self._preloaded = preloaded

    def __call__(self, named: Named) -> PodFacts:
        own = self._own()
        if not named.pod:
            return own
        found = pod_in_file(self._preloaded, named.namespace, named.pod) if self._preloaded else None
        if found is not None:
            return found
        if (named.pod, named.namespace) == (own.name, own.namespace):
            return own
        # The file is on this node: so is its Pod.
        return PodFacts(name=named.pod, namespace=named.namespace, node=own.node)


def build(settings: KubernetesSettings, context: FilterContext) -> Filter:
    regex = compile_ruby(_TAG)
    if settings.regex_parser:
        chosen = getattr(context.parser(settings.regex_parser), "regex", None)
        if not isinstance(chosen, RubyRegex):
            raise ConfigurationError(
                f"{settings.place}: regex_parser: {settings.regex_parser} is no regex parser"
            )
        regex = chosen
    podinfo, namespace = Path(settings.podinfo_dir), Path(settings.kube_namespace_file)
    preloaded = settings.kube_meta_preload_cache_dir
    return Kubernetes(
        settings,
        read_tag=TagReader(settings.kube_tag_prefix, regex),
        facts=FactFinder(
            lambda: own_pod(context.environment, context.folder / podinfo, context.folder / namespace),
            context.folder / preloaded if preloaded else None,
        ),
        merge=_merge(settings, context),
        parser=context.parser,
        context=context,
    )


def _merge(settings: KubernetesSettings, context: FilterContext) -> MergeLog | None:
    if not settings.merge_log:
        return None
    return MergeLog(
        parser=context.parser(settings.merge_parser) if settings.merge_parser else None,
        key=settings.merge_log_key,
        trim=settings.merge_log_trim,
        keep=settings.keep_log,
    )


PLUGIN = FilterPlugin(name="kubernetes", settings=KubernetesSettings, build=build)
