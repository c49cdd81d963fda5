"""The Kubernetes manifests against a strict schema of what they use, and against least privilege.

The schema is the part of core/v1, rbac/v1, networking/v1 and sparkoperator.k8s.io/v1beta2 that the manifests speak:
a misspelt or misplaced field fails here, without a cluster.
"""

import re
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path("infra/kubernetes")
Quantity = str


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Metadata(Strict):
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    namespace: str | None = None
    labels: dict[str, str] = {}


class SecretKey(Strict):
    name: str
    key: str


class ValueFrom(Strict):
    secret_key_ref: SecretKey = Field(alias="secretKeyRef")


class Environment(Strict):
    name: str
    value: str | None = None
    value_from: ValueFrom | None = Field(default=None, alias="valueFrom")


class Mount(Strict):
    name: str
    mount_path: str = Field(alias="mountPath")


class EmptyDir(Strict):
    size_limit: Quantity | None = Field(default=None, alias="sizeLimit")


class Volume(Strict):
    name: str
    empty_dir: EmptyDir = Field(alias="emptyDir")


class Seccomp(Strict):
    type: Literal["RuntimeDefault"]


class PodSecurity(Strict):
    run_as_non_root: Literal[True] = Field(alias="runAsNonRoot")
    run_as_user: int = Field(alias="runAsUser", ge=1000)
    run_as_group: int = Field(alias="runAsGroup", ge=1000)
    fs_group: int = Field(alias="fsGroup", ge=1000)
    seccomp_profile: Seccomp = Field(alias="seccompProfile")


class Capabilities(Strict):
    drop: tuple[Literal["ALL"]]


class ContainerSecurity(Strict):
    allow_privilege_escalation: Literal[False] = Field(alias="allowPrivilegeEscalation")
    read_only_root_filesystem: Literal[True] = Field(alias="readOnlyRootFilesystem")
    capabilities: Capabilities


class Container(Strict):
    name: str
    security: ContainerSecurity = Field(alias="securityContext")
    mounts: list[Mount] = Field(alias="volumeMounts")


class PodSpec(Strict):
    token: bool = Field(alias="automountServiceAccountToken")
    security: PodSecurity = Field(alias="securityContext")
    containers: list[Container] = Field(min_length=1)
    volumes: list[Volume]


class Pod(Strict):
    api_version: Literal["v1"] = Field(alias="apiVersion")
    kind: Literal["Pod"]
    metadata: Metadata
    spec: PodSpec


class Secret(Strict):
    name: str
    path: str = Field(pattern=r"^/run/secrets/")
    secret_type: Literal["Generic"] = Field(alias="secretType")


class Gpu(Strict):
    name: Literal["nvidia.com/gpu"]
    quantity: int = Field(ge=1)


class SparkPod(Strict):
    account: str = Field(alias="serviceAccount")
    cores: int = Field(ge=1)
    memory: str = Field(pattern=r"^\d+[mg]$")
    overhead: str | None = Field(default=None, alias="memoryOverhead", pattern=r"^\d+[mg]$")
    env: list[Environment]
    secrets: list[Secret]
    mounts: list[Mount] = Field(alias="volumeMounts")
    pod_security: PodSecurity = Field(alias="podSecurityContext")
    security: ContainerSecurity = Field(alias="securityContext")


class Executor(SparkPod):
    instances: int = Field(ge=1)
    gpu: Gpu | None = None


class Restart(Strict):
    type: Literal["Never"]


class ApplicationSpec(Strict):
    type: Literal["Python"]
    python_version: Literal["3"] = Field(alias="pythonVersion")
    mode: Literal["cluster"]
    spark_version: str = Field(alias="sparkVersion")
    image: str = Field(pattern=r":\d+\.\d+\.\d+(-cuda)?$")
    pull: Literal["IfNotPresent"] = Field(alias="imagePullPolicy")
    main: str = Field(alias="mainApplicationFile", pattern=r"^local:///opt/deid/jobs/")
    arguments: list[str]
    restart: Restart = Field(alias="restartPolicy")
    ttl: int = Field(alias="timeToLiveSeconds", ge=1)
    conf: dict[str, str] = Field(alias="sparkConf")
    volumes: list[Volume]
    driver: SparkPod
    executor: Executor


class Application(Strict):
    api_version: Literal["sparkoperator.k8s.io/v1beta2"] = Field(alias="apiVersion")
    kind: Literal["SparkApplication"]
    metadata: Metadata
    spec: ApplicationSpec


def load(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


APPLICATIONS = ("spark-application.yaml", "spark-application-gpu.yaml")


@pytest.mark.parametrize("name", APPLICATIONS)
class TestApplication:
    def test_it_fits_the_schema(self, name):
        (document,) = load(name)
        Application.model_validate(document)

    def test_what_is_mounted_exists_and_is_not_the_nodes(self, name):
        spec = Application.model_validate(load(name)[0]).spec
        volumes = {volume.name for volume in spec.volumes}
        for pod in (spec.driver, spec.executor):
            assert {mount.name for mount in pod.mounts} == volumes

    def test_credentials_come_from_secrets(self, name):
        spec = Application.model_validate(load(name)[0]).spec
        for pod in (spec.driver, spec.executor):
            for variable in pod.env:
                if re.search("SECRET|ACCESS_KEY|CREDENTIAL", variable.name):
                    assert variable.value is None and variable.value_from is not None
            key = next(variable.value for variable in pod.env if variable.name == "DEID_NOISE_KEY_FILE")
            assert key is not None and key.startswith(pod.secrets[0].path)

    def test_the_job_is_the_one_of_the_contract(self, name):
        spec = Application.model_validate(load(name)[0]).spec
        options = [argument.split("=")[0] for argument in spec.arguments]
        assert options == ["--records", "--lake", "--policy", "--run-id"]
        policy = spec.arguments[2].split("=")[1]
        assert Path(policy.removeprefix("/opt/deid/")).is_file()
        assert Path(spec.main.removeprefix("local:///opt/deid/")).is_file()

    def test_versions_are_those_of_the_lock(self, name):
        assert f"pyspark=={load(name)[0]['spec']['sparkVersion']}" in Path("requirements.lock").read_text()


def test_the_gpu_variant_differs_in_the_gpu_alone():
    plain, gpu = (load(name)[0]["spec"] for name in APPLICATIONS)
    assert gpu["image"] == plain["image"] + "-cuda"
    added = {key: value for key, value in gpu["sparkConf"].items() if key not in plain["sparkConf"]}
    configured = dict(
        line.split(maxsplit=1) for line in Path("conf/spark/gpu.conf").read_text().splitlines() if line[:1] == "s"
    )
    assert added.items() <= configured.items()
    assert gpu["executor"].pop("gpu") == {"name": "nvidia.com/gpu", "quantity": 1}
    gpu["image"] = plain["image"]
    gpu["sparkConf"] = plain["sparkConf"]
    assert gpu == plain


@pytest.mark.parametrize("name", ["pod-driver.yaml", "pod-executor.yaml"])
def test_the_pod_templates_fit_the_schema_and_run_nothing_as_root(name):
    (document,) = load(name)
    pod = Pod.model_validate(document)
    assert pod.spec.token == (name == "pod-driver.yaml")
    plain = load(APPLICATIONS[0])[0]["spec"]
    assert document["spec"]["securityContext"] == plain["driver"]["podSecurityContext"]
    assert document["spec"]["containers"][0]["securityContext"] == plain["driver"]["securityContext"]


class TestAccess:
    documents = load("access.yaml")

    def one(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = [d for d in self.documents if d["kind"] == kind and d["metadata"]["name"] == name]
        return found

    def test_only_the_driver_may_speak_to_the_api_and_only_in_its_namespace(self):
        assert {d["kind"] for d in self.documents} == {"Namespace", "ServiceAccount", "Role", "RoleBinding"}
        bindings = [d for d in self.documents if d["kind"] == "RoleBinding"]
        subjects = [s["name"] for binding in bindings for s in binding["subjects"]]
        assert subjects == ["deid-driver"]
        assert self.one("ServiceAccount", "deid-executor")["automountServiceAccountToken"] is False

    def test_the_role_reaches_no_secret_and_has_no_wildcard(self):
        rules = self.one("Role", "deid-driver")["rules"]
        words = [word for rule in rules for key in ("apiGroups", "resources", "verbs") for word in rule[key]]
        assert "*" not in words
        resources = {resource for rule in rules for resource in rule["resources"]}
        assert resources == {"pods", "configmaps", "services", "persistentvolumeclaims"}
        created = {r for rule in rules for r in rule["resources"] if "create" in rule["verbs"]}
        assert created == {"pods", "configmaps"}

    def test_the_namespace_admits_restricted_pods_alone(self):
        assert self.one("Namespace", "deid")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_the_accounts_are_those_that_pods_run_under(self):
        spec = load(APPLICATIONS[0])[0]["spec"]
        for pod in ("driver", "executor"):
            self.one("ServiceAccount", spec[pod]["serviceAccount"])


def test_pods_are_reached_by_each_other_alone():
    (policy,) = load("network.yaml")
    assert policy["kind"] == "NetworkPolicy" and policy["spec"]["podSelector"] == {}
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    (rule,) = policy["spec"]["ingress"]
    assert [set(peer) for peer in rule["from"]] == [{"podSelector"}]
    assert all("ports" in rule or "podSelector" in rule["to"][0] for rule in policy["spec"]["egress"])
