interface NumberFieldProps {
  readonly label: string;
  readonly value: number | null | undefined;
  readonly onChange: (value: number | undefined) => void;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  readonly placeholder?: string;
  readonly disabled?: boolean;
}

/** A number that may be left out. */
export function NumberField({ label, value, onChange, min, max, step = 1, placeholder, disabled }: NumberFieldProps) {
  const read = (event: Event) => {
    const { value: text, validity } = event.currentTarget as HTMLInputElement;
    if (text === "") onChange(undefined);
    else if (validity.valid) onChange(Number(text));
  };
  return (
    <label class="field">
      <span>{label}</span>
      <input type="number" {...{ min, max, step, placeholder, disabled }} value={value ?? ""} onInput={read} />
    </label>
  );
}
