"""The deployment files: whole, hardened, and in agreement with what the server does."""

from __future__ import annotations

import asyncio
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

import llm_to_anthropic
from llm_to_anthropic.config import loading
from llm_to_anthropic.config.sources import ENV_NAMES, FILE_NAME
from llm_to_anthropic.http.health import OPEN_PATHS
from llm_to_anthropic.http.server import FAREWELL_S, LAST_WRITES_S
from llm_to_anthropic.settings import Settings, Timeouts
from tests.manifests import (
    Compose,
    ComposeService,
    Container,
    Deployment,
    Kustomization,
    PodDisruptionBudget,
    PodSpec,
    Secret,
    Service,
    ServiceAccount,
    read_yaml,
)
from tests.running import running_proxy

ROOT = Path(__file__).resolve().parents[1]
KUBERNETES = ROOT / "deploy" / "kubernetes"
UID = 65532
PORT = 8082
NAME = {"app.kubernetes.io/name": "llm-to-anthropic"}
CONFIG_FOLDER = "/etc/llm-to-anthropic"
ENDING_S = FAREWELL_S + LAST_WRITES_S
"""What the server may take to end after its drain."""

RESOURCES = {
    "serviceaccount.yaml": ServiceAccount,
    "deployment.yaml": Deployment,
    "service.yaml": Service,
    "poddisruptionbudget.yaml": PodDisruptionBudget,
    "secret.example.yaml": Secret,
    "kustomization.yaml": Kustomization,
}


@pytest.fixture
def deployment() -> Deployment:
    return read_yaml(KUBERNETES / "deployment.yaml", Deployment)


@pytest.fixture
def pod(deployment: Deployment) -> PodSpec:
    return deployment.spec.template.spec


@pytest.fixture
def container(pod: PodSpec) -> Container:
    (only,) = pod.containers
    return only


@pytest.fixture
def compose() -> ComposeService:
    (only,) = read_yaml(ROOT / "compose.yaml", Compose).services.values()
    return only


@pytest.fixture
def kustomization() -> Kustomization:
    return read_yaml(KUBERNETES / "kustomization.yaml", Kustomization)


def instructions() -> list[tuple[str, str]]:
    """Instruction and rest of each line of the Dockerfile."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line.strip()]


def last_stage() -> dict[str, str]:
    """The last stage's instructions, the last of each kind."""
    listed = instructions()
    start = max(index for index, (name, _) in enumerate(listed) if name == "FROM")
    return dict(listed[start:])


def variable(container: Container, name: str) -> str:
    return next(each.value for each in container.env if each.name == name)


@pytest.mark.parametrize(("name", "kind"), RESOURCES.items(), ids=RESOURCES)
def test_resource_fits_its_schema(name: str, kind: type[msgspec.Struct]) -> None:
    """Every file is one object of its kind, with all fields that we promise and none that is unknown."""
    assert read_yaml(KUBERNETES / name, kind)


def test_every_file_is_known(kustomization: Kustomization) -> None:
    """Every file of the folder is part of the kustomization, but for itself and the example of a Secret."""
    files = {file.name for file in KUBERNETES.iterdir()}
    generated = {file for each in kustomization.config_map_generator for file in each.files}
    assert files - {"kustomization.yaml", "secret.example.yaml"} == {*kustomization.resources, *generated}


def test_three_replicas_roll_without_a_gap(deployment: Deployment) -> None:
    """Three replicas; an update takes none away before another is ready."""
    assert deployment.spec.replicas == 3
    assert deployment.spec.strategy.rolling_update.max_unavailable == 0
    assert deployment.spec.strategy.rolling_update.max_surge >= 1


def test_selectors_find_the_pods(deployment: Deployment, pod: PodSpec) -> None:
    """Deployment, Service, disruption budget and spread all select by the labels that the pods carry."""
    service = read_yaml(KUBERNETES / "service.yaml", Service)
    budget = read_yaml(KUBERNETES / "poddisruptionbudget.yaml", PodDisruptionBudget)
    assert deployment.spec.template.metadata.labels == NAME
    assert deployment.spec.selector.match_labels == NAME
    assert service.spec.selector == NAME
    assert budget.spec.selector.match_labels == NAME
    assert [spread.label_selector.match_labels for spread in pod.topology_spread_constraints] == [NAME]


def test_disruption_budget_keeps_two_of_three(deployment: Deployment) -> None:
    """A drained node takes one replica at a time, and never the whole service."""
    budget = read_yaml(KUBERNETES / "poddisruptionbudget.yaml", PodDisruptionBudget)
    assert budget.spec.max_unavailable == 1 < deployment.spec.replicas


def test_pod_runs_unprivileged(pod: PodSpec) -> None:
    """The pod runs as an unprivileged user with the runtime's system call filter, and no token of the cluster."""
    security = pod.security_context
    assert security.run_as_non_root is True
    assert security.run_as_user == security.run_as_group == security.fs_group == UID
    assert security.seccomp_profile.type == "RuntimeDefault"
    assert pod.automount_service_account_token is False


def test_service_account_has_no_token() -> None:
    """The account is mounted nowhere: the proxy has nothing to ask of the cluster."""
    account = read_yaml(KUBERNETES / "serviceaccount.yaml", ServiceAccount)
    assert account.automount_service_account_token is False


def test_pod_uses_its_own_account(pod: PodSpec) -> None:
    """The pod runs under the account that comes along, which a cloud's identity can be bound to."""
    assert pod.service_account_name == read_yaml(KUBERNETES / "serviceaccount.yaml", ServiceAccount).metadata.name


def test_container_is_hardened(container: Container) -> None:
    """The container has a read-only root, no capability, and no way to gain privileges."""
    security = container.security_context
    assert security.read_only_root_filesystem is True
    assert security.allow_privilege_escalation is False
    assert security.privileged is False
    assert security.run_as_non_root is True
    assert security.capabilities.drop == ["ALL"]


def test_only_tmp_is_writable(pod: PodSpec, container: Container) -> None:
    """Of what is mounted only /tmp can be written, and it is bounded."""
    writable = {mount.mount_path: mount.name for mount in container.volume_mounts if not mount.read_only}
    assert set(writable) == {"/tmp"}  # noqa: S108  the container's
    (volume,) = (volume for volume in pod.volumes if volume.name == writable["/tmp"])  # noqa: S108
    assert volume.empty_dir is not None
    assert volume.empty_dir.size_limit


def test_service_links_are_off(pod: PodSpec) -> None:
    """Services of the namespace bring no variables that could be taken for settings."""
    assert pod.enable_service_links is False


def test_probes_ask_the_open_paths(container: Container) -> None:
    """Liveness asks whether it lives, readiness whether it can serve; both without a client key."""
    live, ready = container.liveness_probe, container.readiness_probe
    assert (live.http_get.path, ready.http_get.path) == ("/health", "/health/ready")
    assert {live.http_get.path, ready.http_get.path} <= OPEN_PATHS
    assert live.http_get.port == ready.http_get.port == container.ports[0].name


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
@pytest.mark.parametrize("host", ["10.42.0.7:8082", "[fd00::7]:8082"], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("keys", ["", "client-key"], ids=["without-keys", "with-keys"])
async def test_probe_is_answered(tmp_path: Path, path: str, host: str, keys: str) -> None:
    """A probe names the pod's address as its Host and has no key: it is served with client keys and without."""
    env = {"OPENAI_API_KEY": "test-key", "PROXY_API_KEYS": keys}
    async with running_proxy(cwd=tmp_path, env=env) as proxy:
        assert await status(proxy.url, path, host) == 200


def test_ports_are_the_servers(container: Container, compose: ComposeService) -> None:
    """Image, container, Service and Compose name the port on which the server listens by default."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    (service,) = read_yaml(KUBERNETES / "service.yaml", Service).spec.ports
    (port,) = container.ports
    assert defaults["port"] == PORT
    assert port.container_port == service.port == PORT
    assert service.target_port == port.name
    assert variable(container, "SERVER_PORT") == compose.environment["SERVER_PORT"] == str(PORT)
    assert last_stage()["EXPOSE"] == str(PORT)


def test_server_listens_beyond_its_container(container: Container, compose: ComposeService) -> None:
    """Inside a container the server listens on all addresses, whatever an .env says."""
    assert variable(container, "SERVER_HOST") == compose.environment["SERVER_HOST"] == "0.0.0.0"


def test_secret_is_referred_to_by_name(container: Container, kustomization: Kustomization) -> None:
    """The Secret is the user's own: referred to by its name, described by an example, and never applied."""
    example = read_yaml(KUBERNETES / "secret.example.yaml", Secret)
    assert [each.secret_ref.name for each in container.env_from] == [example.metadata.name]
    assert "secret.example.yaml" not in kustomization.resources


def test_secret_example_holds_placeholders() -> None:
    """The example names real variables, client keys among them, and holds no value that could be a key."""
    example = read_yaml(KUBERNETES / "secret.example.yaml", Secret)
    assert set(example.string_data) <= set(ENV_NAMES)
    assert "PROXY_API_KEYS" in example.string_data
    assert all(value.startswith("<") and value.endswith(">") for value in example.string_data.values())


def test_variables_are_settings(container: Container, compose: ComposeService) -> None:
    """Every variable that the deployment files set is one that the configuration reads."""
    assert {each.name for each in container.env} | set(compose.environment) <= set(ENV_NAMES)


def pod_timeouts() -> Timeouts:
    """What the ConfigMap's file sets, read as the server would."""
    settings = loading.load({"config": KUBERNETES / FILE_NAME}, {"OPENAI_API_KEY": "test-key"}, KUBERNETES)
    assert settings.warnings == ()
    return settings.timeouts


def test_config_map_file_is_found_where_it_is_mounted(
    pod: PodSpec, container: Container, kustomization: Kustomization
) -> None:
    """The ConfigMap's file lies in the image's working directory, under the name that is looked for."""
    (generator,) = kustomization.config_map_generator
    (volume,) = (volume for volume in pod.volumes if volume.config_map is not None)
    assert volume.config_map is not None
    assert volume.config_map.name == generator.name
    assert generator.files == [FILE_NAME]
    (mount,) = (mount for mount in container.volume_mounts if mount.name == volume.name)
    assert mount.mount_path == CONFIG_FOLDER == last_stage()["WORKDIR"]
    assert mount.read_only is True


def test_pods_are_unready_before_they_stop(container: Container) -> None:
    """Between SIGTERM and the end of accepting, readiness has failed so often that the Service has noticed."""
    probe = container.readiness_probe
    assert pod_timeouts().pre_stop_s > probe.period_seconds * probe.failure_threshold


def test_termination_grace_outlasts_the_drain(pod: PodSpec) -> None:
    """Kubernetes kills no pod that is still finishing its streams."""
    timeouts = pod_timeouts()
    assert pod.termination_grace_period_seconds > timeouts.pre_stop_s + timeouts.drain_s + ENDING_S


def test_resources_are_bounded(container: Container) -> None:
    """Memory is requested and limited; the CPU is requested and never throttled."""
    assert set(container.resources.requests) == {"cpu", "memory"}
    assert set(container.resources.limits) == {"memory"}


def test_image_names_agree(container: Container, compose: ComposeService, kustomization: Kustomization) -> None:
    """The image has one name, and the manifests ask for the version that lies beside them."""
    (image,) = kustomization.images
    assert container.image == compose.image == image.name
    assert image.new_tag == llm_to_anthropic.__version__


def test_compose_publishes_on_loopback(compose: ComposeService) -> None:
    """Compose opens the port to this machine alone."""
    assert compose.ports == [f"127.0.0.1:{PORT}:{PORT}"]


def test_compose_is_hardened(compose: ComposeService) -> None:
    """The container of Compose is as closed as the one of Kubernetes."""
    assert compose.user == f"{UID}:{UID}"
    assert compose.read_only is True
    assert compose.cap_drop == ["ALL"]
    assert compose.security_opt == ["no-new-privileges:true"]
    assert [mount.partition(":")[0] for mount in compose.tmpfs] == ["/tmp"]  # noqa: S108  the container's


def test_compose_waits_for_the_drain(compose: ComposeService) -> None:
    """Compose kills no container that is still finishing its streams."""
    timeouts = Timeouts()
    grace_s = float(compose.stop_grace_period.removesuffix("s"))
    assert grace_s > timeouts.pre_stop_s + timeouts.drain_s + ENDING_S


def test_compose_reads_keys_from_the_env_file(compose: ComposeService) -> None:
    """Keys come from .env, which is neither committed nor part of the image."""
    assert compose.env_file == ".env"
    assert ".env" in (ROOT / ".gitignore").read_text().split()
    assert not [name for name in compose.environment if "KEY" in name]


def test_health_checks_agree(compose: ComposeService) -> None:
    """Image and Compose check in the same way: by the command itself, since a slim image has no curl."""
    options, _, command = last_stage()["HEALTHCHECK"].partition("CMD ")
    assert msgspec.json.decode(command) == compose.healthcheck.test[1:] == ["llm-to-anthropic", "health"]
    check = compose.healthcheck
    words = [f"--interval={check.interval}", f"--timeout={check.timeout}", f"--start-period={check.start_period}"]
    assert options.split() == [*words, f"--retries={check.retries}"]


def test_image_runs_the_command_unprivileged() -> None:
    """The image starts the command itself, as an unprivileged user, and is told to stop by SIGTERM."""
    stage = last_stage()
    assert stage["USER"] == f"{UID}:{UID}"
    assert msgspec.json.decode(stage["ENTRYPOINT"]) == ["llm-to-anthropic"]
    assert msgspec.json.decode(stage["CMD"]) == ["proxy"]
    assert stage["STOPSIGNAL"] == "SIGTERM"


def test_image_writes_no_bytecode() -> None:
    """Python does not try to write into the read-only tree."""
    assert "PYTHONDONTWRITEBYTECODE=1" in last_stage()["ENV"].split()


def test_image_installs_from_hashes() -> None:
    """Whatever the image takes from an index is locked by its hash, and nothing is built from source but ourselves."""
    runs = " && ".join(rest for name, rest in instructions() if name == "RUN")
    installs = [step for step in runs.split("&&") if " install " in step]
    assert installs
    locked = ("--require-hashes --only-binary :all:", "--no-deps --no-index /opt/dist/")
    assert [step for step in installs if not any(words in step for words in locked)] == []


def test_build_requirements_are_the_projects() -> None:
    """What builds the wheel in the image is what pyproject.toml names: `make lock` was run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.split(r"[<>=!~; \[]", one)[0] for one in project["build-system"]["requires"]}
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements" / "build.txt").read_text().strip())
    assert wanted <= {entry.partition("==")[0] for entry in entries}
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_build_context_is_what_is_copied() -> None:
    """Only what the Dockerfile copies reaches the builder: no .env, no history."""
    copied = {source for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]}
    copied = {source for source in copied if not source.startswith(("--from=", "/opt/"))}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert {line for line in lines if line.startswith("!")} == {f"!{source}" for source in copied}


async def status(url: str, path: str, host: str) -> int:
    """The status of a GET with this Host header."""
    _, _, port = url.rpartition(":")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    try:
        return int((await asyncio.wait_for(reader.readline(), 10)).split()[1])
    finally:
        writer.close()
