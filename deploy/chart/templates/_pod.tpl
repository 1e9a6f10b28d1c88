{{/* What the restricted profile asks of a pod. Group 65532 also owns what is mounted, so that the program can read its secrets. */}}
{{- define "yingbin.pod.security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
# A spool may hold many files: their owner is set once, not at every start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "yingbin.container.security" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Nobody here asks the API server, and the environment holds what is set and no addresses of neighbours. */}}
{{- define "yingbin.pod.apart" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A probe's place; whether it lives and whether it is ready are two questions. */}}
{{- define "yingbin.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: admin }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{- define "yingbin.placement" -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "yingbin.selector" $ | nindent 8 }}
  {{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/*
The pod of one service. Whatever is mounted is a whole folder: the kubelet changes one in a single step, by a symbolic link, so that a
new playbook or secret reaches the running pod; a file that is mounted by subPath stays what it was at the start.
*/}}
{{- define "yingbin.pod" -}}
{{- $values := index .root.Values .key -}}
{{- $_ := set . "values" $values -}}
{{- $tls := and .root.Values.grpcTls.enabled (ne .service "gateway") -}}
metadata:
  labels:
    {{- include "yingbin.selector" . | nindent 4 }}
  annotations:
    # Settings are read at the start: others make new pods.
    checksum/settings: {{ include "yingbin.settings" . | sha256sum }}
spec:
  {{- include "yingbin.pod.apart" .root | nindent 2 }}
  terminationGracePeriodSeconds: 45
  securityContext:
    {{- include "yingbin.pod.security" . | nindent 4 }}
  {{- include "yingbin.placement" . | nindent 2 }}
  containers:
    - name: {{ .service }}
      image: {{ include "yingbin.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [{{ .service }}, --config, /etc/yingbin/settings/{{ .service }}.toml]
      securityContext:
        {{- include "yingbin.container.security" . | nindent 8 }}
      ports:
        {{- range $name, $port := .ports }}
        - { name: {{ $name }}, containerPort: {{ $port }} }
        {{- end }}
      {{- include "yingbin.probes" . | nindent 6 }}
      {{- if eq .service "gateway" }}
      lifecycle:
        # Whoever routes pushes here has five seconds to notice that the endpoint is gone, before anything else happens.
        preStop:
          sleep: { seconds: 5 }
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      env:
        - { name: RUST_LOG, value: {{ .root.Values.log | quote }} }
        {{- with $values.redisUrlKey }}
        - name: REDIS_URL
          valueFrom:
            secretKeyRef: { name: {{ required "redisUrlKey is a key of existingSecret, which is missing" $values.existingSecret }}, key: {{ . }} }
        {{- end }}
      volumeMounts:
        - { name: settings, mountPath: /etc/yingbin/settings, readOnly: true }
        {{- if $values.existingSecret }}
        - { name: secrets, mountPath: /run/secrets/yingbin, readOnly: true }
        {{- end }}
        {{- if $tls }}
        - { name: tls, mountPath: /run/secrets/tls, readOnly: true }
        {{- end }}
        {{- if $values.playbooks }}
        - { name: playbooks, mountPath: /etc/yingbin/playbooks, readOnly: true }
        {{- end }}
        {{- if eq .service "gateway" }}
        - { name: spool, mountPath: /var/lib/yingbin/spool }
        {{- end }}
  volumes:
    - name: settings
      configMap: { name: {{ .root.Release.Name }}-{{ .service }} }
    {{- with $values.existingSecret }}
    - name: secrets
      secret: { secretName: {{ . }}, defaultMode: 0440 }
    {{- end }}
    {{- if $tls }}
    - name: tls
      secret: { secretName: {{ required (printf "grpcTls.enabled takes %s.tlsSecret" .key) $values.tlsSecret }}, defaultMode: 0440 }
    {{- end }}
    {{- with $values.playbooks }}
    - name: playbooks
      configMap: { name: {{ . }} }
    {{- end }}
{{- end }}
