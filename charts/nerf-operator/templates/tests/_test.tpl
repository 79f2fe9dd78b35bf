{{/* A name that a NeRFJob may have, for all objects of `helm test`. */}}
{{- define "nerf-operator.test.name" -}}
{{- printf "test-%s" (include "nerf-operator.fullname" . | replace "." "-" | trunc 37 | trimSuffix "-") -}}
{{- end -}}

{{/* Where the operator serves jobs. */}}
{{- define "nerf-operator.test.namespace" -}}
{{- first .Values.watchNamespaces | default .Release.Namespace -}}
{{- end -}}

{{/* keep: after a test that failed, to be looked at. The name in the labels is not the operator's, or
what selects operators (a disruption budget, a monitor) would take the test's pod for one. */}}
{{- define "nerf-operator.test.metadata" -}}
{{- $hook := dict
  "helm.sh/hook" "test"
  "helm.sh/hook-weight" .weight
  "helm.sh/hook-delete-policy" (.keep | ternary "before-hook-creation" "before-hook-creation,hook-succeeded")
  "helm.sh/hook-output-log-policy" "hook-succeeded,hook-failed" -}}
{{- $name := include "nerf-operator.test.name" .root -}}
{{- $namespace := include "nerf-operator.test.namespace" .root -}}
{{- $metadata := include "nerf-operator.metadata" (dict "root" .root "name" $name "namespace" $namespace "labels" .labels "annotations" $hook) | fromYaml -}}
{{- $_ := set $metadata.labels "app.kubernetes.io/name" (printf "%s-test" .root.Chart.Name) -}}
{{- toYaml $metadata -}}
{{- end -}}

{{- define "nerf-operator.test.container" -}}
imagePullPolicy: IfNotPresent
resources:
  requests:
    cpu: 100m
    memory: 256Mi
    ephemeral-storage: 64Mi
  limits:
    memory: 2Gi # Photos are rendered by a process for each CPU of the node.
    ephemeral-storage: 128Mi
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}
