{{- define "gateway.name" -}}
{{- printf "%s-gateway" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: hokusai-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gateway.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end -}}

{{/* The maximum number of replicas: while Redis is away, each enforces its share of the limits. */}}
{{- define "gateway.maxReplicas" -}}
{{- if .Values.autoscaling.enabled }}{{ .Values.autoscaling.maxReplicas }}{{ else }}{{ .Values.replicas }}{{ end -}}
{{- end -}}

{{- define "gateway.env" -}}
- {name: HOKUSAI_HOST, value: "0.0.0.0"}
- {name: HOKUSAI_PORT, value: "8000"}
- {name: HOKUSAI_DATA_DIR, value: /data}
- {name: HOKUSAI_LOG_FORMAT, value: json}
- {name: HOKUSAI_MLFLOW_URL, value: {{ .Values.mlflowURL | quote }}}
- {name: HOKUSAI_PUBLIC_URL, value: {{ .Values.publicURL | quote }}}
- {name: HOKUSAI_DRAIN_DELAY, value: {{ .Values.drainDelay | quote }}}
- {name: HOKUSAI_SHUTDOWN_GRACE_PERIOD, value: {{ .Values.gracePeriod | quote }}}
- {name: HOKUSAI_REPLICAS, value: {{ include "gateway.maxReplicas" . | quote }}}
- {name: HOKUSAI_METRICS_HOST, value: "0.0.0.0"}
- {name: HOKUSAI_METRICS_PORT, value: {{ .Values.metrics.port | quote }}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- range .Values.secret.keys }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.secret.name }}, key: {{ . }}}}
{{- end }}
{{- range .Values.secret.optionalKeys }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.secret.name }}, key: {{ . }}, optional: true}}
{{- end }}
{{- end -}}

{{- define "gateway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* /data has the first admin key, which is lost with its pod: see docs/operations.md. */}}
{{- define "gateway.volumes" -}}
- {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
- {name: data, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
{{- end -}}

{{- define "gateway.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /data}
{{- end -}}
