/**
 * The scripts that `vmlapse complete SHELL` prints. Each asks the program itself: `vmlapse complete -- WORDS` prints
 * candidates, one a line with a tab before what is said about it, or `:files` or `:folders`.
 */

/** Needs nothing but bash 4. Words are split at = and : by readline; they are put together again. */
const BASH = `# bash completion for vmlapse
_vmlapse() {
    local i line word words=() glue=
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=\${COMP_WORDS[i]}
        if [[ $i -gt 1 && ( -n $glue || $word == [=:]* ) ]]; then
            words[\${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        glue=
        [[ $word == *[=:] ]] && glue=1
    done
    word=
    [[ \${#words[@]} -gt 0 ]] && word=\${words[\${#words[@]}-1]}
    local before=\${word%"\${word##*[=:]}"}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :files) compopt -o default ;;
            :folders) compopt -o dirnames ;;
            *) line=\${line%%$'\\t'*} COMPREPLY+=("\${line#"$before"}") ;;
        esac
    done < <("$1" complete -- "\${words[@]}" 2>/dev/null)
}
complete -F _vmlapse vmlapse
`;

const ZSH = `#compdef vmlapse
_vmlapse() {
    local -a lines described
    local line
    lines=("\${(@f)$("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ $lines[1] == :* && $words[CURRENT] == --*=* ]] && compset -P '*='
    case $lines[1] in
        :files) _files; return ;;
        :folders) _files -/; return ;;
    esac
    for line in $lines; do
        local text=\${line%%$'\\t'*}
        described+=("\${text//:/\\\\:}:\${line#*$'\\t'}")
    done
    _describe -V vmlapse described
}
if (( ! $+functions[compdef] )); then
    autoload -Uz compinit && compinit
fi
if [[ $funcstack[1] == _vmlapse ]]; then
    _vmlapse "$@"
else
    compdef _vmlapse vmlapse
fi
`;

const FISH = `# fish completion for vmlapse
function __vmlapse_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l typed (commandline -ct)
    set -l lines ($program complete -- $words "$typed" 2>/dev/null)
    switch "$lines[1]"
        case ':files'
            __fish_complete_path "$typed"
        case ':folders'
            __fish_complete_directories "$typed" ''
        case '*'
            printf '%s\\n' $lines
    end
end
complete -c vmlapse -f -k -a '(__vmlapse_complete)'
`;

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;
export const SHELLS = Object.keys(SCRIPTS) as readonly (keyof typeof SCRIPTS)[];
