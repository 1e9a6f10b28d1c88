{{/* The services by their name, which is also their program, their job in the alarms and their label. */}}
{{- define "yingbin.services" -}}
gateway: gateway
profile-service: profile
content-service: content
{{- end }}

{{/* What finds a release's pods; with "service", one service's. */}}
{{- define "yingbin.selector" -}}
app.kubernetes.io/name: yingbin
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .service }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "yingbin.labels" -}}
{{ include "yingbin.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "yingbin.metadata" -}}
name: {{ .root.Release.Name }}-{{ .service }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "yingbin.labels" . | nindent 2 }}
{{- end }}

{{- define "yingbin.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}
