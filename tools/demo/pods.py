"""A small pod of our own beside a job, as Pod Security `restricted` wants it."""

MOUNT = "/volume"


def pod_with_claim(
    name: str, image: str, command: list[str], claim: str, read_only: bool = False
) -> dict[str, object]:
    """A pod that runs `command` once with the claim at `MOUNT`; only that may be written to."""
    container = {
        "name": "main",
        "image": image,
        "command": command,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "claim", "mountPath": MOUNT, "readOnly": read_only}],
    }
    source = {"claimName": claim, "readOnly": read_only}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "claim", "persistentVolumeClaim": source}],
        },
    }
