"""The shape of the deployment files, as far as we use it: a field that is not named here is a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

import msgspec

T = TypeVar("T")

Labels = dict[str, str]


class Camel(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An object of Kubernetes."""


class Snake(msgspec.Struct, forbid_unknown_fields=True):
    """An object of Compose."""


class Metadata(Camel):
    name: str
    labels: Labels = {}


class PodMetadata(Camel):
    labels: Labels


class Selector(Camel):
    match_labels: Labels


class RollingUpdate(Camel):
    max_unavailable: int
    max_surge: int


class Strategy(Camel):
    type: Literal["RollingUpdate"]
    rolling_update: RollingUpdate


class SeccompProfile(Camel):
    type: str


class PodSecurity(Camel):
    run_as_non_root: bool
    run_as_user: int
    run_as_group: int
    fs_group: int
    seccomp_profile: SeccompProfile


class Capabilities(Camel):
    drop: list[str]


class ContainerSecurity(Camel):
    allow_privilege_escalation: bool
    read_only_root_filesystem: bool
    run_as_non_root: bool
    privileged: bool
    capabilities: Capabilities


class HttpGet(Camel):
    path: str
    port: str


class Probe(Camel):
    http_get: HttpGet
    period_seconds: int
    timeout_seconds: int
    failure_threshold: int


class Variable(Camel):
    name: str
    value: str


class Named(Camel):
    name: str


class EnvFrom(Camel):
    secret_ref: Named


class ContainerPort(Camel):
    name: str
    container_port: int
    protocol: Literal["TCP"]


class Resources(Camel):
    requests: dict[Literal["cpu", "memory"], str]
    limits: dict[Literal["memory"], str]


class VolumeMount(Camel):
    name: str
    mount_path: str
    read_only: bool = False


class EmptyDir(Camel):
    size_limit: str


class Volume(Camel):
    name: str
    config_map: Named | None = None
    empty_dir: EmptyDir | None = None


class Container(Camel):
    name: str
    image: str
    image_pull_policy: Literal["IfNotPresent", "Always"]
    env_from: list[EnvFrom]
    env: list[Variable]
    ports: list[ContainerPort]
    liveness_probe: Probe
    readiness_probe: Probe
    resources: Resources
    security_context: ContainerSecurity
    volume_mounts: list[VolumeMount]


class Spread(Camel):
    max_skew: int
    topology_key: str
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"]
    label_selector: Selector


class PodSpec(Camel):
    service_account_name: str
    automount_service_account_token: bool
    enable_service_links: bool
    termination_grace_period_seconds: int
    security_context: PodSecurity
    topology_spread_constraints: list[Spread]
    containers: list[Container]
    volumes: list[Volume]


class PodTemplate(Camel):
    metadata: PodMetadata
    spec: PodSpec


class DeploymentSpec(Camel):
    replicas: int
    revision_history_limit: int
    strategy: Strategy
    selector: Selector
    template: PodTemplate


class Deployment(Camel):
    api_version: Literal["apps/v1"]
    kind: Literal["Deployment"]
    metadata: Metadata
    spec: DeploymentSpec


class ServicePort(Camel):
    name: str
    port: int
    target_port: str
    protocol: Literal["TCP"]


class ServiceSpec(Camel):
    type: Literal["ClusterIP"]
    selector: Labels
    ports: list[ServicePort]


class Service(Camel):
    api_version: Literal["v1"]
    kind: Literal["Service"]
    metadata: Metadata
    spec: ServiceSpec


class BudgetSpec(Camel):
    max_unavailable: int
    selector: Selector


class PodDisruptionBudget(Camel):
    api_version: Literal["policy/v1"]
    kind: Literal["PodDisruptionBudget"]
    metadata: Metadata
    spec: BudgetSpec


class ServiceAccount(Camel):
    api_version: Literal["v1"]
    kind: Literal["ServiceAccount"]
    metadata: Metadata
    automount_service_account_token: bool


class Secret(Camel):
    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: Metadata
    type: Literal["Opaque"]
    string_data: dict[str, str]


class ConfigMapGenerator(Camel):
    name: str
    files: list[str]


class ImageName(Camel):
    name: str
    new_name: str
    new_tag: str


class Kustomization(Camel):
    api_version: Literal["kustomize.config.k8s.io/v1beta1"]
    kind: Literal["Kustomization"]
    resources: list[str]
    config_map_generator: list[ConfigMapGenerator]
    images: list[ImageName]


class HealthCheck(Snake):
    test: list[str]
    interval: str
    timeout: str
    start_period: str
    retries: int


class ComposeService(Snake):
    build: str
    image: str
    env_file: str
    environment: dict[str, str]
    ports: list[str]
    restart: Literal["unless-stopped"]
    stop_grace_period: str
    healthcheck: HealthCheck
    user: str
    read_only: bool
    tmpfs: list[str]
    cap_drop: list[str]
    security_opt: list[str]


class Compose(Snake):
    """A `version` is no field: it is obsolete."""

    services: dict[str, ComposeService]


def read_yaml(path: Path, type: type[T]) -> T:
    """The one document in a file. Raises msgspec.ValidationError for what does not fit."""
    return msgspec.yaml.decode(path.read_bytes(), type=type)
