/**
 * The scripts that teach a shell to ask carve. Each asks `carve __complete --`
 * with the words so far; the first line of the answer says whether the shell
 * adds files, each other line is a word, a tab and its help.
 *
 * Source: bash(1) "Programmable Completion"; zshcompsys(1); fish complete(1).
 */

/** Shells there is a script for. */
export const shells = ['bash', 'zsh', 'fish'] as const;

/** Script by shell. */
export const completionScripts: Readonly<Record<(typeof shells)[number], string>> = {
  bash: String.raw`# carve completion for bash: source it, or keep it as /etc/bash_completion.d/carve
_carve() {
  local line="${'$'}{COMP_LINE:0:COMP_POINT}" word answer files cut
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  # bash cuts words at : and =; what is before the cut must not be given again.
  word="${'$'}{words[-1]}"
  cut="${'$'}{word%"${'$'}{COMP_WORDS[COMP_CWORD]}"}"
  [[ $line == *[[:space:]] ]] && cut=""
  mapfile -t answer < <("${'$'}{words[0]}" __complete -- "${'$'}{words[@]:1}" 2>/dev/null)
  files="${'$'}{answer[0]}"
  COMPREPLY=()
  for word in "${'$'}{answer[@]:1}"; do
    word="${'$'}{word%%$'\t'*}"
    COMPREPLY+=("${'$'}{word#"$cut"}")
  done
  case $files in
    files) compopt -o default 2>/dev/null ;;
    directories) compopt -o dirnames 2>/dev/null ;;
  esac
}
complete -F _carve carve
`,
  zsh: String.raw`#compdef carve
# carve completion for zsh: keep it as _carve in a directory of $fpath
_carve() {
  local -a answer described
  local line
  answer=("${'$'}{(@f)$("${'$'}{words[1]}" __complete -- "${'$'}{(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "${'$'}{(@)answer[2,-1]}"; do
    [[ -n $line ]] && described+=("${'$'}{${'$'}{line%%$'\t'*}//:/\\:}:${'$'}{line#*$'\t'}")
  done
  (( ${'$'}{#described} )) && _describe 'carve' described
  case ${'$'}{answer[1]} in
    files) _files ;;
    directories) _files -/ ;;
  esac
}
compdef _carve carve
`,
  fish: String.raw`# carve completion for fish: keep it as ~/.config/fish/completions/carve.fish
function __carve_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l answer ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
    end
    for line in $answer[2..-1]
        echo $line
    end
end
complete -c carve -f -a '(__carve_complete)'
`,
};
