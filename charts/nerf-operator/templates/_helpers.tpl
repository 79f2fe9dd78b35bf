{{- define "nerf-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "nerf-operator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "nerf-operator.fullname" .) -}}
{{- end -}}

{{- define "nerf-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "nerf-operator.labels" -}}
{{- $own := dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) -}}
{{- merge (include "nerf-operator.selector" . | fromYaml) $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Metadata of an object. root: the chart's context. suffix: of its name. name: instead of that of
the release. namespace: the release's if not given, none if "". labels, annotations: more of them;
what every object has wins. */}}
{{- define "nerf-operator.metadata" -}}
{{- $root := .root -}}
{{- $name := printf "%s%s" (include "nerf-operator.fullname" $root) (.suffix | default "") -}}
name: {{ .name | default $name | quote }}
{{- with hasKey . "namespace" | ternary .namespace $root.Release.Namespace }}
namespace: {{ . | quote }}
{{- end }}
labels: {{- merge (include "nerf-operator.labels" $root | fromYaml) (.labels | default dict) | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) $root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image of the project in the registry that all come from. */}}
{{- define "nerf-operator.inRegistry" -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .name -}}
{{- end -}}

{{- define "nerf-operator.image" -}}
{{- with .Values.image -}}
{{- $name := empty .digest | ternary (printf "%s:%s" .repository .tag) (printf "%s@%s" .repository .digest) -}}
{{- include "nerf-operator.inRegistry" (dict "registry" .registry "name" $name) -}}
{{- end -}}
{{- end -}}

{{- define "nerf-operator.trainerImage" -}}
{{- $own := dict "registry" .Values.image.registry "name" "nerf-trainer:cpu" -}}
{{- .Values.trainerImage | default (include "nerf-operator.inRegistry" $own) -}}
{{- end -}}

{{/* "true" where the cluster has PodMonitors and PrometheusRules. */}}
{{- define "nerf-operator.hasPrometheusOperator" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}true{{ end -}}
{{- end -}}

{{/* Exactly what the operator uses; a test compares it with cluster/api.py. Of nodes it
reads the GPUs, for jobs that share them; a Role in a namespace cannot give that. */}}
{{- define "nerf-operator.rules" -}}
- apiGroups: [nerfops.dev]
  resources: [nerfjobs]
  verbs: [list, watch, delete]
- apiGroups: [nerfops.dev]
  resources: [nerfjobs/status]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, create, delete]
{{- if not .Values.watchNamespaces }}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}
- apiGroups: [""]
  resources: [services, persistentvolumeclaims]
  verbs: [list, watch, create, patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.jobNetworkPolicy.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create]
{{- end }}
{{- end -}}

{{/* Whom the policies of jobs let in, for the operator that makes them. */}}
{{- define "nerf-operator.jobNetwork" -}}
{{- $namespace := dict "matchLabels" (dict "kubernetes.io/metadata.name" .Release.Namespace) -}}
{{- $pods := dict "matchLabels" (include "nerf-operator.selector" . | fromYaml) -}}
{{- $operator := dict "namespaceSelector" $namespace "podSelector" $pods -}}
{{- with .Values.jobNetworkPolicy -}}
{{- dict "operator" $operator "metricsFrom" .metricsFrom "viewerFrom" .viewerFrom | toJson -}}
{{- end -}}
{{- end -}}

{{/* What binds a role to the operator's account. */}}
{{- define "nerf-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "nerf-operator.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end -}}
