{{/* What values.schema.json cannot say in words that help. */}}
{{- define "nerf-operator.validate" -}}
{{- with .Values.image.registry -}}
{{- if contains "://" . -}}
{{- fail (printf "image.registry is a host, and perhaps a path, without a scheme: write %s" (. | splitList "://" | last)) -}}
{{- else if hasSuffix "/" . -}}
{{- fail (printf "image.registry must not end with a slash: write %s" (. | trimSuffix "/")) -}}
{{- else if not (regexMatch "^[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$" .) -}}
{{- fail (printf "image.registry must be like registry.example.com:5000/me, not %q" .) -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.name must say whom the operator is, as serviceAccount.create is false" -}}
{{- end -}}
{{- end -}}
