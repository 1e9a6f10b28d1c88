{{/* Settings that are the chart's, because its probes, ports and volumes stand on them. The schema refuses them in values. */}}
{{- define "yingbin.own.gateway" -}}
gateway: { listen: "0.0.0.0:8080" }
admin: { listen: "0.0.0.0:9090" }
spool: { dir: /var/lib/yingbin/spool }
{{- end }}

{{- define "yingbin.own.profile-service" -}}
admin: { listen: "0.0.0.0:9091" }
grpc:
  listen: "0.0.0.0:50051"
  {{- if .Values.grpcTls.enabled }}
  certificate: /run/secrets/tls/tls.crt
  key: /run/secrets/tls/tls.key
  {{- if .Values.grpcTls.mutual }}
  client_ca: /run/secrets/tls/ca.crt
  {{- end }}
  {{- end }}
{{- end }}

{{- define "yingbin.own.content-service" -}}
{{- $host := printf "%s-profile-service.%s.svc" .Release.Name .Release.Namespace -}}
admin: { listen: "0.0.0.0:9092" }
profile:
  endpoint: {{ ternary "https" "http" .Values.grpcTls.enabled }}://{{ $host }}:50051
  {{- if .Values.grpcTls.enabled }}
  ca: /run/secrets/tls/ca.crt
  {{- if .Values.grpcTls.mutual }}
  certificate: /run/secrets/tls/tls.crt
  key: /run/secrets/tls/tls.key
  {{- end }}
  {{- end }}
{{- end }}

{{/* One service's file: those of all, over them its own, over them the chart's. */}}
{{- define "yingbin.settings" -}}
{{- $given := (index .root.Values .key).settings -}}
{{- $own := include (printf "yingbin.own.%s" .service) .root | fromYaml -}}
{{- mustMergeOverwrite (deepCopy .root.Values.settings) (deepCopy $given) $own | toToml -}}
{{- end }}
